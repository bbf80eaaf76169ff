# What CI runs
ci:
    bash .ci/run

# The whole story in one process
demo:
    cargo run --release -- demo

# What docs/performance.md is made of
bench:
    cargo bench --bench receiving
    cargo bench --bench sending
    cargo bench --bench growth
    cargo bench --bench hostile
    cargo bench --bench overload

# target/debian/receiptd_….deb
package:
    deploy/package

# The package in a clean Debian with systemd, from installing to restoring (root, minutes)
try-package: package
    deploy/try-getting-started
    deploy/try-package

# Faults for longer than CI has time for
trust:
    TRUST_KILLS=1000 TRUST_HISTORIES=20000 TRUST_CUTS=10000 cargo test --release --locked --test it -- every_kill histories power_cut

# Ten million made-up bodies of callbacks, minutes
fuzz:
    TRUST_BODIES=10000000 cargo test --release --locked --test it -- whatever_a_body --nocapture

# A million made-up lists, as spreadsheets and programs write them, minutes
fuzz-lists:
    TRUST_LISTS=1000000 cargo test --release --locked --lib -- number_list::dialects
