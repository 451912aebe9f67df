# Each recipe is one plain command: `just` is a comfort, not a need.

# the recipes
default:
    @just --list

# everything on this machine, with the built-in simulator
run *ARGS:
    cargo run --release -- {{ARGS}}

# 1,000 contacts, 250 a day, on a fast clock
demo:
    cargo run --release -- demo

# every test
test:
    cargo test --workspace

# all that CI checks
ci:
    .ci/run

# a benchmark: sending, importing, planning, webhooks, requests or starting
bench NAME:
    cargo bench --package carillon-bench --bench {{NAME}}

# kill the program N times at random moments, and compare with the simulator's log
kill-test N="200":
    CARILLON_KILLS={{N}} cargo test --release -p carillon-cli --test it kill:: -- --nocapture

# simulated months of campaigns under random faults, one for each of SEEDS seeds
months SEEDS="1000":
    CARILLON_SEEDS={{SEEDS}} cargo test --release --workspace --test months -- --nocapture

# N shuffled, repeated statuses, a third of the requests while the table fails
storm N="100000":
    CARILLON_STATUSES={{N}} cargo test --release --workspace --test it storm:: -- --nocapture

# template.yaml and the functions' binaries on an emulator of AWS; --release as deployed
emulate *ARGS:
    infra/emulator/emulate.py {{ARGS}}

# the end-to-end test on another DynamoDB and SQS: ministack or moto
engines ENGINE="ministack":
    infra/emulator/engines.py {{ENGINE}}
