//! The layers of the source: crates enforce those between them; here are those between the
//! rooms of one crate, and between files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the layered crates, lowest first: a room imports only from those before it.
const LAYERS: [(&str, &[&str]); 2] = [
    (
        "shared/nouns",
        &[
            "quota",
            "contact",
            "recipient",
            "connection",
            "campaign",
            "batch",
            "conversation",
            "unreadable",
            "job",
            "template",
            "media",
            "event",
            "api_key",
            "audit_log",
            "idempotency",
        ],
    ),
    (
        "shared/drivers",
        &["analytics", "plan", "delivery", "bulk", "feed", "privacy", "import", "jobs", "transfer"],
    ),
];

/// The only files outside `whatsapp_cloud/` that may name the provider.
const REGISTRY: [&str; 2] = ["shared/channel/src/registry.rs", "shared/channel/src/lib.rs"];

#[test]
fn a_room_imports_only_from_the_rooms_below_it() {
    for (name, rooms) in LAYERS {
        let krate = Crate::read(name);
        let folders: BTreeSet<_> = krate.files.keys().filter_map(|path| room(path)).collect();
        assert_eq!(folders, rooms.iter().copied().collect(), "{name}: the list is complete");
        for (file, imports) in &krate.imports {
            for target in imports {
                let (Some(from), Some(to)) = (room(file), room(target)) else { continue };
                let level = |room: &str| rooms.iter().position(|one| *one == room);
                assert!(
                    level(to) <= level(from),
                    "{name}: {file} imports {target}, a room above it"
                );
            }
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let mut found = Vec::new();
    for name in crates() {
        let krate = Crate::read(&name);
        let imports = |from: &String, to: &String| {
            krate.imports.get(from).is_some_and(|targets| targets.contains(to))
        };
        let files: Vec<_> = krate.files.keys().collect();
        for (index, one) in files.iter().enumerate() {
            let others = files[..index].iter();
            let pairs = others.filter(|other| imports(one, other) && imports(other, one));
            found.extend(pairs.map(|other| format!("{name}: {other} and {one}")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_the_registry_names_a_provider() {
    let mut found = Vec::new();
    let product = crates().into_iter().filter(|name| !name.starts_with("infra/"));
    for path in product.flat_map(|name| sources(&root().join(name).join("src"))) {
        let path = path.strip_prefix(root()).expect("below the root").display().to_string();
        if path.contains("/whatsapp_cloud/") || REGISTRY.contains(&path.as_str()) {
            continue;
        }
        let source = fs::read_to_string(root().join(&path)).expect("a file");
        let code = without_tests_and_comments(&source);
        // Examples in the API's description are no code.
        let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("#["));
        if lines.any(|line| line.contains("whatsapp_cloud") || line.contains("WhatsappCloud")) {
            found.push(path);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_checks_see_an_import() {
    let krate = Crate::read("shared/nouns");
    let found = &krate.imports["campaign/settings"];
    assert!(found.iter().any(|target| room(target) == Some("connection")), "{found:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// The folders of all crates, such as `shared/nouns`.
fn crates() -> Vec<String> {
    let parents = ["shared", "functions", "infra"].into_iter();
    let found = parents.flat_map(|parent| {
        let entries = fs::read_dir(root().join(parent)).expect("a folder");
        let folders = entries.map(|entry| entry.expect("an entry").path());
        folders
            .filter(|folder| folder.join("Cargo.toml").exists())
            .map(|folder| folder.strip_prefix(root()).expect("below").display().to_string())
            .collect::<Vec<_>>()
    });
    let found: Vec<String> = found.collect();
    assert!(found.len() > 10, "{found:?}");
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The first folder or file of a module, such as `contact` of `contact/store`.
fn room(module: &str) -> Option<&str> {
    let first = module.split('/').next()?;
    (!first.is_empty() && first != "lib" && first != "main").then_some(first)
}

/// The modules of a crate and what they import from it.
struct Crate {
    /// The source of each module, by its path, such as `contact/store`; the root is empty.
    files: BTreeMap<String, String>,
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Crate {
    fn read(name: &str) -> Self {
        let src = root().join(name).join("src");
        // A `main.rs` beside a `lib.rs` is a crate of its own.
        let crate_root = if src.join("lib.rs").exists() { "lib" } else { "main" };
        let module = |path: &Path| {
            let path = path.strip_prefix(&src).expect("below src").with_extension("");
            let path = path.display().to_string();
            let path = path.strip_suffix("/mod").unwrap_or(&path);
            if path == crate_root { String::new() } else { path.to_owned() }
        };
        let files: BTreeMap<_, _> = sources(&src)
            .into_iter()
            .map(|path| {
                let source = fs::read_to_string(&path).expect("a file");
                (module(&path), without_tests_and_comments(&source))
            })
            .collect();
        let mut krate = Self { files, imports: BTreeMap::new() };
        for (file, source) in &krate.files {
            let targets = uses(source).into_iter().filter_map(|(is_public, path)| {
                let target = krate.resolve(file, &path, 0)?;
                // A module that re-exports its own parts does not use them.
                let own = is_public && is_below(&target, file);
                (!own && target != *file).then_some(target)
            });
            krate.imports.insert(file.clone(), targets.collect());
        }
        krate
    }

    /// The module that defines what a path names, through re-exports.
    fn resolve(&self, from: &str, path: &[String], depth: u8) -> Option<String> {
        let mut segments: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
        let mut rest = path;
        let (first, mut tail) = rest.split_first()?;
        match first.as_str() {
            "crate" => segments.clear(),
            "self" => {}
            "super" => {
                segments.pop();
                while let Some((next, after)) = tail.split_first()
                    && next == "super"
                {
                    segments.pop();
                    tail = after;
                }
            }
            own if self.files.contains_key(&join(&segments, own)) => tail = rest,
            _ => return None,
        }
        rest = tail;
        while let Some((next, after)) = rest.split_first()
            && self.files.contains_key(&join(&segments, next))
        {
            segments.push(next);
            rest = after;
        }
        let module = segments.join("/");
        let Some(item) = rest.first() else { return Some(module) };
        let exported = uses(&self.files[&module])
            .into_iter()
            .find(|(is_public, path)| *is_public && path.last() == Some(item) && depth < 4);
        match exported {
            Some((_, path)) => self.resolve(&module, &path, depth + 1).or(Some(module)),
            None => Some(module),
        }
    }
}

fn is_below(module: &str, parent: &str) -> bool {
    parent.is_empty() || module.starts_with(&format!("{parent}/"))
}

fn join(segments: &[&str], next: &str) -> String {
    segments.iter().copied().chain([next]).collect::<Vec<_>>().join("/")
}

/// The paths of all `use` items, and whether each is public.
fn uses(source: &str) -> Vec<(bool, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find("use ") {
        let before = rest[..start].rsplit('\n').next().unwrap_or_default().trim();
        let after = &rest[start + 4..];
        let Some(end) = after.find(';') else { break };
        let is_restricted = before.starts_with("pub(") && before.ends_with(')');
        let is_statement = before.is_empty() || before == "pub" || is_restricted;
        if is_statement {
            let tree: String = after[..end].split_whitespace().collect::<Vec<_>>().join(" ");
            expand(&tree, &[], &mut |path| found.push((before.starts_with("pub"), path)));
            rest = &after[end..];
        } else {
            rest = after;
        }
    }
    found
}

/// Expands a tree such as `crate::contact::{self, store::{claim, charge as renew}}`.
fn expand(tree: &str, prefix: &[String], visit: &mut dyn FnMut(Vec<String>)) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree);
        let parts = name.split("::").map(|part| part.trim().to_owned());
        let mut path: Vec<_> = prefix.iter().cloned().chain(parts).collect();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        visit(path);
        return;
    };
    let parts = tree[..open].split("::").map(str::trim).filter(|part| !part.is_empty());
    let prefix: Vec<_> = prefix.iter().cloned().chain(parts.map(str::to_owned)).collect();
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&inner[start..at], &prefix, visit);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&inner[start..], &prefix, visit);
    }
}

/// The code of a file, up to its unit tests.
fn without_tests_and_comments(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or(source);
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}
