use std::process::Command;

/// The program, without the settings of the tests' environment.
pub(crate) fn carillon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    for variable in [
        "CARILLON_ADMIN_KEY",
        "CARILLON_SECRETS_KEY",
        "CARILLON_API_KEY",
        "CARILLON_URL",
        "CARILLON_PROFILE",
        "CARILLON_LOG",
    ] {
        command.env_remove(variable);
    }
    // The profiles of whoever runs the tests are not used.
    command.env("CARILLON_CONFIG", "no-folder/no-file");
    command
}
