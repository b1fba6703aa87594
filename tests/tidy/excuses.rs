//! What breaks a rule for a reason. An excuse that nobody needs fails a test.

/// Files that are longer than they should be: path and reason.
pub(crate) const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that are longer than they should be: path, name and reason.
pub(crate) const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "cli/src/config.rs",
    "resolve",
    "one flat list of settings, each read once from flag, environment, file or default",
)];
