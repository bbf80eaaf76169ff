# What CI runs
ci:
    bash .ci/run

# The whole story in one process
demo:
    cargo run --release -- demo
