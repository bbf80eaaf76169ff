//! `receiptd restore`: a copy in the place of the database, and nothing of what was there lost.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::binary::{House, said};

#[actix_web::test]
async fn a_copy_takes_the_place_of_a_database_that_no_daemon_has_and_what_waits_in_it_is_held() {
    let house = House::new();
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/pause", Some(json!({}))).await;
    let waiting = daemon.submit("hello", &["+447700900001", "+447700900002"]).await;
    let copy = house.path("copies");
    std::fs::create_dir(&copy).expect("a folder");
    let copy = copy.join("monday.db");
    let words = ["restore", copy.to_str().expect("text")];
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": copy}))).await.status, 200);
    daemon.api("POST", "/v1/resume", Some(json!({}))).await;
    daemon.until(&waiting, "submitted").await;
    let later = daemon.submit("later", &["+447700900003"]).await;

    let refused = house.command(&words).output().expect("run");
    let told = said(&refused);
    assert!(refused.status.code() == Some(1) && told.contains("in use") && told.contains("Nothing was changed"), "{told}");
    daemon.until(&later, "submitted").await;
    daemon.stop().await;
    let nothing = house.command(&["restore", "nowhere.db"]).output().expect("run");
    assert!(nothing.status.code() == Some(1) && said(&nothing).contains("nowhere.db"), "{}", said(&nothing));
    let itself = house.command(&["restore", "receiptd.db"]).output().expect("run");
    assert!(itself.status.code() == Some(1) && said(&itself).contains("the database itself"), "{}", said(&itself));

    let restored = house.command(&words).output().expect("run");
    let told = said(&restored);
    assert!(restored.status.success() && told.contains("1 batch waits with 2 numbers"), "{told}");
    assert!(told.contains("receiptd.db.replaced-") && told.contains("receiptd serve"), "{told}");
    let mode = |name: &str| std::fs::metadata(house.path(name)).expect(name).permissions().mode() & 0o777;
    assert_eq!((mode("receiptd.db"), mode("receiptd.db.identity")), (0o600, 0o600));

    let daemon = house.serve().await;
    // Held, and then found at the provider, which has it since.
    daemon.until(&waiting, "submitted").await;
    assert_eq!(daemon.api("GET", &format!("/v1/batches/{later}"), None).await.status, 404, "the copy knows nothing of it");
    assert_eq!(house.posts(), 2, "nothing went out again");
    daemon.stop().await;

    // And back again: what was there is whole.
    let kept = std::fs::read_dir(house.folder.path()).expect("a folder").flatten().map(|entry| entry.path());
    let is_kept =
        |path: &std::path::PathBuf| path.to_string_lossy().contains(".replaced-") && path.extension().is_none_or(|end| end != "identity");
    let kept = kept.filter(is_kept).min_by_key(|path| path.as_os_str().len()).expect("kept");
    let back = house.command(&["restore", kept.to_str().expect("text")]).output().expect("run");
    assert!(back.status.success(), "{}", said(&back));
    let daemon = house.serve().await;
    assert_eq!(daemon.api("GET", &format!("/v1/batches/{later}"), None).await.status, 200);
    assert!(copy.exists(), "the copy stays");
}

#[actix_web::test]
async fn a_copy_without_its_identity_is_refused_and_nothing_is_moved() {
    let house = House::new();
    let daemon = house.serve().await;
    let copy = house.path("copy.db");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": copy}))).await.status, 200);
    daemon.stop().await;
    std::fs::remove_file(house.path("copy.db.identity")).expect("there");
    let before = house.path("receiptd.db").metadata().expect("there").modified().expect("a time");
    let refused = house.command(&["restore", "copy.db"]).output().expect("run");
    assert!(refused.status.code() == Some(1) && said(&refused).contains("copy.db.identity is missing"), "{}", said(&refused));
    assert_eq!(house.path("receiptd.db").metadata().expect("there").modified().expect("a time"), before);
}
