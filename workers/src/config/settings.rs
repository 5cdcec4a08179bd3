//! Settings as operators see them: which there are, what holds, and names that nobody reads.

use super::secrets::SECRETS;
use anyhow::bail;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use reqwest::Url;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Read by libraries of ours, by their own rules; all that begins so and is set is shown.
const OTHERS: [&str; 2] = ["TEMPORAL_", "OTEL_"];
/// How those of them end that are no secrets, whatever they hold; of any other nobody can know.
const PLAIN: [&str; 16] = [
    "_ADDRESS",
    "_NAMESPACE",
    "_PATH",
    "_CONFIG_FILE",
    "_PROFILE",
    "_TLS",
    "_SERVER_NAME",
    "_ENDPOINT",
    "_PROTOCOL",
    "_TIMEOUT",
    "_SAMPLER",
    "_SAMPLER_ARG",
    "_DISABLED",
    "_EXPORTER",
    "_DELAY",
    "_SIZE",
];
const MASK: &str = "***";

/// A name with our prefix that no command reads is a mistake, and what was meant does not hold.
pub(crate) fn refuse_unknown_variables(command: &Command) -> anyhow::Result<()> {
    let mut known: BTreeSet<String> = SECRETS.map(|(name, _)| name.to_owned()).into();
    for command in command.get_subcommands().chain([command]) {
        known.extend(command.get_arguments().filter_map(variable).map(str::to_owned));
    }
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MARQUEE_") && !known.contains(name.as_ref()) {
            bail!("{name} is no setting of ours; docs/CONFIGURATION.md has all of them");
        }
    }
    Ok(())
}

/// What holds for this call, line by line as for the environment, with where it comes from. Secrets are
/// masked.
pub(crate) fn in_force(command: &Command, matches: &ArgMatches) -> String {
    let mut text = String::new();
    let Some((name, of_command)) = matches.subcommand() else { return text };
    let subcommand = command.find_subcommand(name).expect("it was called");
    for argument in subcommand.get_arguments() {
        let (Some(variable), false) = (variable(argument), argument.is_hide_set()) else {
            continue;
        };
        let id = argument.get_id().as_str();
        let Some(values) = of_command.get_raw(id) else { continue };
        let values: Vec<String> = values.map(|value| shown(argument, value)).collect();
        let source = match of_command.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            _ => "default",
        };
        line(&mut text, variable, &values.join(","), source);
    }
    let secrets = SECRETS.iter().filter(|(name, _)| std::env::var_os(name).is_some());
    secrets.for_each(|(name, _)| line(&mut text, name, MASK, "environment"));
    let mut others: Vec<_> = std::env::vars_os().collect();
    others.sort();
    for (name, value) in others {
        let name = name.to_string_lossy();
        let is_ours = subcommand.get_arguments().any(|arg| variable(arg) == Some(&name));
        if !is_ours && OTHERS.iter().any(|prefix| name.starts_with(prefix)) {
            let value = value.to_string_lossy();
            let value = match PLAIN.iter().any(|end| name.ends_with(end)) {
                true if name.ends_with("ENDPOINT") => without_password(&value),
                true => value.into_owned(),
                false => MASK.to_owned(),
            };
            line(&mut text, &name, &value, "environment");
        }
    }
    text
}

fn line(text: &mut String, name: &str, value: &str, source: &str) {
    text.push_str(&format!("{:<60} # {source}\n", format!("{name}={value}")));
}

fn variable(argument: &Arg) -> Option<&str> {
    argument.get_env().and_then(OsStr::to_str)
}

fn shown(argument: &Arg, value: &OsStr) -> String {
    let value = value.to_string_lossy().into_owned();
    if !argument.is_hide_env_values_set() {
        return value;
    }
    match value.split_once('=') {
        Some((name, _)) if argument.get_value_delimiter().is_some() => format!("{name}={MASK}"),
        _ => without_password(&value),
    }
}

/// A URL that can be shown; nothing of one that cannot be understood.
pub(crate) fn without_password(url: &str) -> String {
    let masked = || {
        let mut url = Url::parse(url).ok().filter(|url| url.fragment().is_none())?;
        if url.password().is_some() {
            url.set_password(Some(MASK)).ok()?;
        }
        let is_known =
            matches!(url.scheme(), "postgres" | "postgresql" | "sqlite" | "http" | "https");
        let tells = url.query_pairs().any(|(name, _)| name == "password");
        (is_known && !tells).then(|| url.to_string())
    };
    masked().unwrap_or_else(|| MASK.to_owned())
}

/// A setting as the page shows it.
#[derive(PartialEq)]
struct Row {
    flag: String,
    variable: String,
    default: String,
    meaning: String,
}

impl Row {
    fn of(argument: &Arg) -> Option<Self> {
        let flag = argument.get_long().filter(|flag| *flag != "help")?;
        let defaults = argument.get_default_values().iter().map(|text| text.to_string_lossy());
        let default = defaults.collect::<Vec<_>>().join(" ");
        let code = |text: &str| match text {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let meaning = argument.get_long_help().or(argument.get_help());
        let meaning = meaning.map(|text| text.to_string().replace('\n', " ").replace('|', "\\|"));
        Some(Self {
            flag: flag.to_owned(),
            variable: code(variable(argument).unwrap_or_default()),
            default: code(&default),
            meaning: meaning.unwrap_or_default(),
        })
    }
}

/// All settings, as a table of Markdown.
pub(crate) fn table(command: &Command) -> String {
    let mut rows = Vec::<(Row, Vec<&str>)>::new();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for row in shown.filter_map(Row::of) {
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, commands)) => commands.push(command.get_name()),
                None => rows.push((row, vec![command.get_name()])),
            }
        }
    }
    for (row, commands) in &mut rows {
        if command.get_arguments().filter_map(Row::of).any(|of_all| of_all == *row) {
            *commands = vec!["all"];
        }
    }
    let mut text = "| Flag | Variable | Default | Of | What |\n|---|---|---|---|---|\n".to_owned();
    for (Row { flag, variable, default, meaning }, commands) in rows {
        let commands = commands.join(", ");
        text.push_str(&format!(
            "| `--{flag}` | {variable} | {default} | {commands} | {meaning} |\n"
        ));
    }
    text.push_str("\n| Variable | What |\n|---|---|\n");
    for (name, meaning) in SECRETS {
        text.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    text
}
