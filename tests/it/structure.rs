//! What the folders promise: who imports whom, how long things are, and what stands where. Each
//! failure names the place and the reason.

use crate::repository::root;
use crate::wire::ACTIVITIES;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Each crate, what it may import of ours, and why not more.
const IMPORTS: &[(&str, &[&str], &str)] = &[
    ("domain", &[], "rules know nobody: no I/O, no Temporal, no HTTP"),
    ("workflows", &["domain"], "a replay repeats only what touches nothing"),
    ("store", &["domain"], "SQL decides by the rules, and knows neither Temporal nor HTTP"),
    ("gateway", &["domain"], "other companies' servers; what was sent is the store's to keep"),
    (
        "activities",
        &["domain", "gateway", "store", "workflows"],
        "what a workflow may ask of the world; it never speaks HTTP to people",
    ),
    ("events", &["domain", "store"], "what leaves follows the feed, and knows nobody else"),
    (
        "api",
        &["domain", "events", "gateway", "store", "workflows"],
        "commands are decided by the store; activities are run by workflows only",
    ),
    ("web", &["domain"], "pages ask the API, as anybody does"),
    ("fake-gateway", &[], "another company's server shares no code with us"),
    ("fake-notices", &[], "another company's server shares no code with us"),
    ("balancer", &[], "stands between, as anybody's would"),
    ("ears", &[], "those who hear are others"),
    ("chaos", &["ears", "kafka-broker"], "it breaks and audits from outside, as anybody could"),
    ("kafka-broker", &[], "somebody else's server, started"),
    ("history", &["domain", "workflows"], "it meets the system over HTTP and at Temporal only"),
    (
        "bench",
        &["balancer", "domain", "ears", "kafka-broker", "store", "workers", "workflows"],
        "drives `marquee` from outside, and measures its limits with its own options",
    ),
    (
        "workers",
        &[
            "activities",
            "api",
            "balancer",
            "chaos",
            "domain",
            "events",
            "fake-gateway",
            "fake-notices",
            "gateway",
            "kafka-broker",
            "store",
            "web",
            "workflows",
        ],
        "the wiring; chaos, a broker and a balancer for its tests",
    ),
];

const WORKFLOWS_DEPEND_ON: &[&str] =
    &["domain", "serde", "temporalio-common", "temporalio-macros", "temporalio-workflow"];

#[test]
fn crates_import_each_other_only_as_designed() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some((_, allowed, why)) = IMPORTS.iter().find(|(known, ..)| *known == name) else {
            wrong.push(format!("{name}: a new crate; say in IMPORTS whom it may import and why"));
            continue;
        };
        let imported = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        for import in imported.filter(|import| ours.contains(import)) {
            if !allowed.contains(&import) {
                wrong.push(format!("{name} → {import} is not allowed: {why}"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn workflows_depend_on_nothing_that_a_replay_cannot_repeat() {
    let metadata = metadata();
    let all = package(&metadata, "workflows").dependencies.iter();
    let all = all.filter(|dependency| dependency.kind != DependencyKind::Development);
    assert_none(&not_repeatable(all.map(|dependency| dependency.name.as_str())));
    // Clippy has no say here: what is not depended on cannot be used.
    assert_eq!(not_repeatable(["serde", "tokio", "rand", "fastrand", "uuid"]).len(), 4);
}

fn not_repeatable<'a>(dependencies: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let others = dependencies.into_iter().filter(|name| !WORKFLOWS_DEPEND_ON.contains(name));
    others.map(|name| format!("workflows → {name}: a workflow has no clock, no I/O")).collect()
}

#[test]
fn only_the_store_depends_on_a_database_driver() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.name.as_str() != "store") {
        for dependency in &package.dependencies {
            if dependency.name == "sqlx" && dependency.kind != DependencyKind::Development {
                wrong.push(format!("{} → sqlx: SQL stands in store/ only", package.name));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn files_and_functions_fit_a_readers_head() {
    let mut long = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
        }
        let file = syn::parse_file(&source.text).expect("it compiles, so it parses");
        let mut functions = Functions { path: &source.path, long: &mut long };
        functions.visit_file(&file);
    }
    assert_none(&long);
}

#[test]
fn code_stands_where_it_belongs() {
    let mut wrong = Vec::new();
    for Source { path, text, words } in sources() {
        let in_tests = path.starts_with("tests/") || path.contains("/tests");
        let mut forbid = |what: &[&str], why: &str| {
            if holds(&words, what) {
                wrong.push(format!("{path}: `{}`: {why}", what.concat()));
            }
        };
        if !path.starts_with("store/") && !in_tests {
            forbid(&["sqlx", ":", ":"], "SQL stands in store/ only");
        }
        if !path.starts_with("workers/src/config") && !in_tests {
            for read in ["var", "var_os", "vars", "vars_os"] {
                forbid(&["env", ":", ":", read], "workers/src/config.rs reads the environment");
            }
        }
        for change in ["set_var", "remove_var"] {
            forbid(&[change], "the environment is the process's, not a test's");
        }
        forbid(&["unsafe"], "no unsafe code");
        forbid(&["[", "ignore"], "an ignored test rots; delete it or mend it");
        if path.ends_with("/mod.rs") {
            wrong.push(format!("{path}: `foo.rs` beside `foo/`, never mod.rs"));
        }
        wrong.extend(unowned_todos(&path, &text));
    }
    assert_none(&wrong);
}

/// A new activity is to be pinned in `wire.rs`, and every activity has a definition in the contract.
#[test]
fn every_activity_is_pinned() {
    let mut declared = 0;
    let mut wrong = Vec::new();
    for Source { path, words, .. } in sources() {
        let contract = path == "workflows/src/contract.rs";
        for at in places(&words, &["[", "activity"]) {
            let named = words.get(at + 2..at + 5).unwrap_or_default();
            declared += usize::from(contract);
            let wanted = if contract { "name" } else { "definition" };
            let fits = named.first().is_some_and(|open| open == "(")
                && named.get(1).is_some_and(|word| word == wanted);
            if !fits && !path.starts_with("tests/") {
                wrong.push(format!("{path}: #[activity] without `{wanted} = …`"));
            }
        }
    }
    assert_none(&wrong);
    assert_eq!(declared, ACTIVITIES, "pin the new activity in wire.rs");
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo metadata")
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> &'a Package {
    let found = metadata.packages.iter().find(|package| package.name.as_str() == name);
    found.expect("a crate of this workspace")
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// One of our files.
struct Source {
    /// From the workspace's root, with slashes.
    path: String,
    text: String,
    /// Its code without comments; a text is one word.
    words: Vec<String>,
}

/// Every Rust file of ours, tests included.
fn sources() -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "looked in the wrong place: {}", root.display());
    found.into_iter().map(|path| Source::read(&root, &path)).collect()
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a text");
        let path = path.strip_prefix(root).expect("below the root").display().to_string();
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut words = Vec::new();
        flatten(tokens, &mut words);
        Self { path, text, words }
    }
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    use proc_macro2::Delimiter::{Brace, Bracket, None, Parenthesis};
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Parenthesis => ("(", ")"),
                    Brace => ("{", "}"),
                    Bracket => ("[", "]"),
                    None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            TokenTree::Ident(word) => words.push(word.to_string()),
            TokenTree::Punct(mark) => words.push(mark.as_char().to_string()),
            TokenTree::Literal(literal) => words.push(literal.to_string()),
        }
    }
}

fn holds(words: &[String], wanted: &[&str]) -> bool {
    places(words, wanted).next().is_some()
}

fn places<'a>(words: &'a [String], wanted: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
    let windows = words.windows(wanted.len()).enumerate();
    windows.filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}

/// An owner is named as `TODO(name)`.
fn unowned_todos(path: &str, text: &str) -> Vec<String> {
    let mut unowned = Vec::new();
    if path == "tests/it/structure.rs" {
        return unowned; // names the marks itself
    }
    for (number, line) in (1..).zip(text.lines()) {
        let Some((_, comment)) = line.split_once("//") else { continue };
        for mark in ["TODO", "FIXME", "XXX"] {
            if comment.contains(mark) && !comment.contains(&format!("{mark}(")) {
                unowned.push(format!("{path}:{number}: {mark} without an owner"));
            }
        }
    }
    unowned
}

/// Measures functions from their first word to their closing brace.
struct Functions<'a> {
    path: &'a str,
    long: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let (path, name) = (self.path, &signature.ident);
            self.long.push(format!(
                "{path}:{first}: `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
