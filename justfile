# What CI runs
ci:
    bash .ci/run

# The main job in one process
demo:
    cargo run --release -- demo

# The benchmarks behind docs/performance.md
bench:
    cargo bench --bench receiving
    cargo bench --bench sending
    cargo bench --bench growth
    cargo bench --bench hostile
    cargo bench --bench overload

# Build target/debian/receiptd_….deb
package:
    deploy/package

# Try the package in a clean Debian with systemd, from installing to restoring (needs root, takes minutes)
try-package: package
    deploy/try-getting-started
    deploy/try-package

# Build everything a release consists of, in target/release-files
release:
    deploy/release

# Try a release in a clean Debian, and its image in podman (needs root, takes minutes)
try-release:
    deploy/try-release

# Rewrite docs/reference after a change to a help text, a key, a metric or a profile
reference:
    RECEIPTD_BLESS=1 cargo test --locked --test it reference

# Inject faults for longer than CI has time for
trust:
    TRUST_KILLS=1000 TRUST_HISTORIES=20000 TRUST_CUTS=10000 cargo test --release --locked --test it -- every_kill histories power_cut

# Try ten million generated callback bodies (takes minutes)
fuzz:
    TRUST_BODIES=10000000 cargo test --release --locked --test it -- whatever_a_body --nocapture

# Try a million generated lists, as spreadsheets and programs write them (takes minutes)
fuzz-lists:
    TRUST_LISTS=1000000 cargo test --release --locked --lib -- number_list::dialects
