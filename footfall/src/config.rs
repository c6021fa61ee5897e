//! `footfall config`: what every subcommand would do with this environment and this `.env`, without secrets.
//!
//! Read from the command line's own definition, so a flag that is added anywhere shows up here by itself.

use std::ffi::OsStr;
use std::process::ExitCode;

use chassis::url::{HIDDEN, without_password};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::{exit, output, up};

/// Parts of a variable's name that make its value a secret.
const SECRET: [&str; 4] = ["PASSWORD", "SECRET", "TOKEN", "API_KEY"];

/// Words that mean something to `up` only: it starts a server and tells the roles its address.
const OF_UP: [(&str, &str, &[&str]); 3] = [
    ("FOOTFALL_KAFKA", "kafka", &["real", "mock"]),
    ("FOOTFALL_POSTGRES", "postgres", &["real"]),
    ("FOOTFALL_REDIS", "redis", &["real"]),
];

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these subcommands
    subcommands: Vec<String>,
}

/// Runs the subcommand.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cli = Cli::command();
    for name in &args.subcommands {
        if cli.find_subcommand(name).is_none() {
            return Err(exit::usage(format!(
                "{name} is no subcommand, see `footfall --help`"
            )));
        }
    }
    if args.subcommands.is_empty() {
        print(&cli);
    }
    for subcommand in cli.get_subcommands() {
        let is_wanted = args.subcommands.is_empty()
            || args
                .subcommands
                .iter()
                .any(|name| name == subcommand.get_name());
        if is_wanted {
            print(subcommand);
            subcommand.get_subcommands().for_each(print);
            check(subcommand)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings of a process as they are in force, in one line for its log.
pub(crate) fn in_force(cli: &Command, matches: &ArgMatches) -> String {
    let Some((name, matches)) = matches.subcommand() else {
        return String::new();
    };
    let arguments = cli
        .find_subcommand(name)
        .into_iter()
        .flat_map(Command::get_arguments);
    let setting = |arg: &Arg| {
        let values = matches.try_get_raw(arg.get_id().as_str()).ok()??;
        let values: Vec<_> = values.map(OsStr::to_string_lossy).collect();
        let value = shown(arg, &values.join(","));
        Some(format!("{}={value}", arg.get_long()?))
    };
    let settings: Vec<String> = arguments.filter_map(setting).collect();
    format!("{name} {}", settings.join(" "))
}

fn print(command: &Command) {
    let rows: Vec<Vec<String>> = command.get_arguments().filter_map(row).collect();
    if rows.is_empty() {
        return;
    }
    output::say(&format!("[{}]", command.get_name()));
    for line in output::table(&rows) {
        output::say(&line);
    }
    output::say("");
}

/// Variable, value, where the value comes from. `None` for what only the command line can set.
fn row(arg: &Arg) -> Option<Vec<String>> {
    let variable = arg.get_env()?;
    let name = variable.to_string_lossy().into_owned();
    let (value, origin) = match std::env::var_os(variable) {
        Some(value) => (value.to_string_lossy().into_owned(), "environment"),
        None => (default(arg), "default"),
    };
    let value = if value.is_empty() {
        "-".to_owned()
    } else {
        shown(arg, &value)
    };
    Some(vec![name, value, origin.to_owned()])
}

fn default(arg: &Arg) -> String {
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    defaults.join(",")
}

/// A value that may be printed.
fn shown(arg: &Arg, value: &str) -> String {
    let name = arg
        .get_env()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if SECRET.iter().any(|part| name.contains(part)) {
        HIDDEN.to_owned()
    } else if arg.is_hide_env_values_set() || value.contains("://") {
        without_password(value)
    } else {
        value.to_owned()
    }
}

/// Lets clap read the environment, and the role check what it would check at its start, so that a wrong value is told with its
/// flag.
fn check(subcommand: &Command) -> anyhow::Result<()> {
    let name = subcommand.get_name();
    let mut words = vec![name.to_owned()];
    if name != "up" {
        words.extend(instead_of_words_of_up(subcommand));
    }
    match subcommand.clone().try_get_matches_from(words) {
        Ok(matches) => check_role(name, &matches),
        Err(error) if LACKS_WORDS.contains(&error.kind()) => Ok(()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// What only a command line can give is not missed here.
const LACKS_WORDS: [ErrorKind; 3] = [
    ErrorKind::MissingRequiredArgument,
    ErrorKind::MissingSubcommand,
    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
];

fn unreadable(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    exit::usage(text.trim_start_matches("error: ").trim().to_owned())
}

/// A role that `up` starts is given the address; beside `up` the default stands for it.
fn instead_of_words_of_up(subcommand: &Command) -> Vec<String> {
    let is_word = |variable: &str, words: &[&str]| {
        std::env::var_os(variable)
            .is_some_and(|value| words.iter().any(|word| value.as_os_str() == *word))
    };
    let mut flags = Vec::new();
    for (variable, flag, words) in OF_UP {
        let arg = subcommand
            .get_arguments()
            .find(|arg| arg.get_long() == Some(flag));
        let default = arg.map(default).filter(|default| !default.is_empty());
        if let Some(default) = default.filter(|_| is_word(variable, words)) {
            flags.push(format!("--{flag}={default}"));
        }
    }
    flags
}

fn check_role(name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    match name {
        "up" => read::<up::Args>(matches)?.check()?,
        "gateway" => drop(read::<gateway::Config>(matches)?.check()?),
        "consumer" => read::<consumer::Config>(matches)?.check()?,
        "api" => drop(read::<api::Config>(matches)?.check()?),
        "simulate" => read::<simulator::Config>(matches)?.check()?,
        _ => {}
    }
    Ok(())
}

fn read<T: FromArgMatches>(matches: &ArgMatches) -> anyhow::Result<T> {
    T::from_arg_matches(matches).map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let arg = |variable: &'static str| Arg::new("value").env(variable);
        assert_eq!(shown(&arg("FOOTFALL_API_TOKEN"), "abc"), "***");
        let postgres = arg("FOOTFALL_POSTGRES").hide_env_values(true);
        for (value, expected) in [
            ("real", "real"),
            ("postgres://u:p@h/d", "postgres://u:***@h/d"),
            (
                "postgres://u@h/d?password=sekret",
                "postgres://u@h/d?password=***",
            ),
            ("host=h password=sekret", "***"),
        ] {
            assert_eq!(shown(&postgres, value), expected);
        }
        let log = arg("FOOTFALL_LOG");
        assert_eq!(shown(&log, "info,consumer=debug"), "info,consumer=debug");
    }

    #[test]
    fn the_settings_in_force_are_told_without_secrets() {
        let cli = Cli::command();
        let words = ["footfall", "consumer", "--workers", "3", "--postgres"];
        let words = [&words[..], &["postgres://u:sekret@h/d"]].concat();
        let matches = cli.clone().get_matches_from(words);
        let told = in_force(&cli, &matches);
        assert!(told.starts_with("consumer kafka="), "{told}");
        assert!(
            told.contains(" workers=3 ") && told.contains(" admin-bind=127.0.0.1:9111"),
            "{told}"
        );
        assert!(told.contains(" postgres=postgres://u:***@h/d "), "{told}");
    }

    #[test]
    fn every_flag_has_a_variable() {
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            for arg in command.get_arguments() {
                let is_flag = arg.get_long().is_some();
                assert!(
                    !is_flag || arg.get_env().is_some(),
                    "{} --{} has no variable",
                    command.get_name(),
                    arg.get_id()
                );
            }
        }
    }

    #[test]
    fn every_variable_is_named_after_its_flag() {
        for subcommand in Cli::command().get_subcommands() {
            for arg in subcommand.get_arguments() {
                let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) else {
                    continue;
                };
                // A flag that several subcommands read differently has its subcommand in between.
                let variable = variable.to_string_lossy().into_owned();
                let flag = long.replace('-', "_").to_uppercase();
                let expected = [
                    format!("FOOTFALL_{flag}"),
                    format!("FOOTFALL_{}_{flag}", subcommand.get_name().to_uppercase()),
                ];
                assert!(
                    expected.contains(&variable),
                    "{} --{long} has {variable}",
                    subcommand.get_name()
                );
            }
        }
    }
}
