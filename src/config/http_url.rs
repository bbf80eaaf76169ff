use std::fmt;
use std::str::FromStr;

use actix_web::http::Uri;

/// An `http` or `https` address to which paths are appended. It has no query, fragment or user name; it may have a path
/// prefix, and a `/` at the end makes no difference.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// The address without the `/` at the end.
    text: String,
    /// The position of the prefix in `text`.
    prefix: usize,
}

impl HttpUrl {
    /// The whole address, without a `/` at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path prefix, such as `/receipts`, or an empty string.
    pub fn prefix(&self) -> &str {
        self.text.get(self.prefix..).unwrap_or_default()
    }

    /// Appends a path to the prefix. `path` may begin with a `/` or not, and is otherwise used unchanged.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.text, path.strip_prefix('/').unwrap_or(path))
    }
}

/// Why an address is invalid. The message does not repeat the address: the parts after `?` and before `@` may be
/// secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnHttpUrl(&'static str);

impl FromStr for HttpUrl {
    type Err = NotAnHttpUrl;

    fn from_str(text: &str) -> Result<Self, NotAnHttpUrl> {
        let wrong = |why| Err(NotAnHttpUrl(why));
        // `Uri` silently drops a fragment.
        if text.contains('#') {
            return wrong("it has a fragment (#…)");
        }
        if text.contains('?') {
            return wrong("it has a query (?…)");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return wrong("not a valid address");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return wrong("it does not begin with http:// or https:// and a host");
        };
        if !["http", "https"].contains(&scheme) {
            return wrong("it does not begin with http:// or https://");
        }
        if authority.as_str().contains('@') {
            return wrong("it contains a user name (…@)");
        }
        if authority.host().is_empty() {
            return wrong("it has no host");
        }
        // `host:` and `host:99999` are accepted as an authority.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if !port.is_empty() && authority.port_u16().is_none() {
            return wrong("the port is not a number up to 65535");
        }
        let path = uri.path().trim_end_matches('/');
        // A proxy may rewrite other characters, and then tokens would not be recognised.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !path.chars().all(plain) {
            return wrong("its path contains characters other than letters, digits and - . _ ~");
        }
        if path.split('/').skip(1).any(|part| ["", ".", ".."].contains(&part)) {
            return wrong("its path contains //, /./ or /../");
        }
        let origin = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
        Ok(Self { prefix: origin.len(), text: origin + path })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A refused address without the parts in which people put passwords and keys.
pub(super) fn without_secrets(text: &str) -> String {
    let (address, rest) = match text.find(['?', '#']) {
        Some(at) => (&text[..at], "…"),
        None => (text, ""),
    };
    // A password may contain an unescaped `/`, so the last `@` counts.
    match (address.find("//"), address.rfind('@')) {
        (Some(slashes), Some(at)) if slashes + 2 <= at => {
            format!("{}…{}{rest}", &address[..slashes + 2], &address[at..])
        }
        (None, Some(at)) => format!("…{}{rest}", &address[at..]),
        _ => format!("{address}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        text.parse().expect(text)
    }

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        assert_eq!(url("https://a.example/"), url("https://a.example"));
        assert_eq!(url("https://a.example/in/"), url("https://a.example/in"));
        assert_eq!(url("HTTPS://A.Example/In").as_str(), "https://a.example/In");
    }

    #[test]
    fn a_path_comes_behind_the_prefix() {
        let plain = url("http://127.0.0.1:8080");
        assert_eq!(plain.prefix(), "");
        assert_eq!(plain.join("/callbacks/x"), "http://127.0.0.1:8080/callbacks/x");
        let prefixed = url("https://[2001:db8::1]:8443/a/b/");
        assert_eq!(prefixed.prefix(), "/a/b");
        assert_eq!(prefixed.join("c"), "https://[2001:db8::1]:8443/a/b/c");
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for wrong in [
            "",
            "receipts.example.com",
            "receipts.example.com/a",
            "/a",
            "ftp://a.example",
            "https://",
            "https:///a",
            "https://a.example?x=1",
            "https://a.example/a?",
            "https://a.example/#top",
            "https://me:secret@a.example",
            "https://a.example:99999",
            "https://a.example:",
            "https://a.example//b",
            "https://a.example/b/../c",
            "https://a.example/{batch}",
            "https://a.example/a%2Fb",
            "https://a.example/a b",
        ] {
            assert!(wrong.parse::<HttpUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refused_address_is_shown_without_what_may_be_secret() {
        for (written, shown) in [
            ("https://a.example/b?key=s3", "https://a.example/b…"),
            ("https://me:s3@a.example/b", "https://…@a.example/b"),
            ("https://me:s/3@a.example?s3", "https://…@a.example…"),
            ("me:s3@a.example", "…@a.example"),
            ("ftp://a.example", "ftp://a.example"),
        ] {
            assert_eq!(without_secrets(written), shown);
        }
    }
}
