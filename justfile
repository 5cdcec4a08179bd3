# What a person types here. `just` alone lists it.
_default:
    @just --list

# Run the whole system: API, workers, Temporal
up *args:
    cargo run -- up {{args}}

# Measure: limits, accept, book, hot-show or all; docs/PERFORMANCE.md says what
bench *args:
    cargo build --release -p workers -p bench
    target/release/bench {{args}}

# Everything that must hold before a commit
check: fmt clippy test deny

[private]
fmt:
    cargo fmt --all --check

[private]
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

[private]
test:
    cargo test --workspace --locked

# Not `advisories`: their database comes from the network, and a check must not fail by being
# offline. `cargo fetch` does nothing once the crates of all systems are here, which deny reads. The
# SDK's crates carry a licence file and no licence field: deny reads the file.
[private]
deny:
    cargo fetch --locked
    cargo deny --offline check --allow no-license-field bans licenses sources
