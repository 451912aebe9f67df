# Each recipe is one command, so `just` is optional.

# list the recipes
default:
    @just --list

# run everything on this machine, with the built-in simulator
run *ARGS:
    cargo run -- {{ARGS}}

# run the demo: 1,000 contacts, 250 a day, on a fast clock
demo:
    cargo run -- demo

# run every test
test:
    cargo test --workspace

# run all checks of CI
ci:
    .ci/run

# run a benchmark: sending, importing, planning, webhooks, requests or starting
bench NAME:
    cargo bench --package carillon-bench --bench {{NAME}}

# kill the program N times at random moments; compare its report with the simulator's log
kill-test N="200":
    CARILLON_KILLS={{N}} cargo test --release -p carillon-cli --test it kill:: -- --nocapture

# merge, split and erase contacts at N random moments of running campaigns, with kills
moments N="1000":
    CARILLON_MOMENTS={{N}} cargo test --release -p carillon-cli --test it kill::moments:: -- --nocapture

# send a campaign to N people, each under every spelling and key that they have
people N="10000":
    CARILLON_PEOPLE={{N}} cargo test --release -p carillon-testkit --test it many_people:: -- --nocapture

# simulate SEEDS months of campaigns under random faults, one month per seed
months SEEDS="1000":
    CARILLON_SEEDS={{SEEDS}} cargo test --release --workspace --test months -- --nocapture

# send to N recipients at once, on a simulated clock and a table with DynamoDB's limits
load N="1000000":
    CARILLON_LOAD={{N}} cargo test --release -p carillon-months --test load -- --nocapture

# a simulated month of campaigns that want more than LIMIT people in 24 hours
rolling LIMIT="2000":
    CARILLON_ROLLING_LIMIT={{LIMIT}} cargo test --release -p carillon-months --test rolling -- --nocapture

# deliver N shuffled and repeated statuses; the table fails in a third of the requests
storm N="100000":
    CARILLON_STATUSES={{N}} cargo test --release --workspace --test it storm:: -- --nocapture

# deploy template.yaml to an emulator of AWS and run campaigns; --release: the deployed binaries
emulate *ARGS:
    infra/emulator/emulate.py {{ARGS}}

# run the end-to-end tests on another DynamoDB and SQS: ministack or moto
engines ENGINE="ministack":
    infra/emulator/engines.py {{ENGINE}}

# generate clients of the API, and make, start and read a campaign with each
clients *ARGS:
    .ci/clients/clients.py {{ARGS}}

# test the API by its description for MINUTES, with the requests of SEED
fuzz MINUTES="30" SEED="1":
    .ci/fuzz/fuzz.py --minutes {{MINUTES}} --seed {{SEED}}

# list the breaking changes of the API's description since the last release
breaking:
    .ci/description/breaking.py

# write docs/api anew, from the API's description and what it answers
reference:
    UPDATE_REFERENCE=1 cargo test -p carillon-api --test it reference::

# explore the model of the sending protocol: every state of each world, and without each rule
protocol:
    cargo test -p carillon-protocol -- --nocapture
