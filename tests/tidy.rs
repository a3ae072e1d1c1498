//! House rules that no compiler checks: who may use whom, how long a file may grow, what must not stand in one.

use std::path::{Path, PathBuf};

/// Past this a file has more than one noun.
const LINES_MAX: usize = 700;

/// Rooms of pure code, and what they may name besides themselves, `std` and libraries that only compute.
const PURE: [(&str, &[&str]); 6] = [
    ("model", &["model", "pb"]),
    ("policy", &["model", "policy", "content"]),
    ("decide", &["model", "policy", "decide", "content", "place"]),
    ("content", &["model", "content"]),
    ("place", &["model", "policy", "place", "content"]),
    ("consent", &["model", "policy", "content", "consent", "decide"]),
];
/// Files of pure rooms that stand at an edge, and say so.
const EDGES: [&str; 2] = ["src/policy/reload.rs", "src/policy/reload/"];

struct Source {
    path: String,
    text: String,
}

fn sources(folder: &str) -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()) {
            match entry.is_dir() {
                true => walk(&entry, found),
                false if entry.extension().is_some_and(|e| e == "rs") => found.push(entry),
                false => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} holds no source");
    found.sort();
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("UTF-8"),
        path: path.strip_prefix(root).expect("below the root").display().to_string(),
    };
    found.into_iter().map(read).collect()
}

/// What stands before the file's own tests.
fn product(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod ").map_or(text, |(before, _)| before)
}

fn is_test(path: &str) -> bool {
    // The last four are test-only modules that several tests share.
    path.contains("/tests/")
        || ["tests", "testing", "contract", "faults", "fixture", "peers"]
            .iter()
            .any(|name| path.ends_with(&format!("/{name}.rs")))
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn files_have_one_noun() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > LINES_MAX {
                problems.push(format!("{} has {lines} lines: where is its seam?", source.path));
            }
        }
    }
    complain(&problems);
}

#[test]
fn pure_rooms_stay_pure() {
    let mut problems = Vec::new();
    for (room, may) in PURE {
        let files = sources(&format!("src/{room}"));
        for source in
            files.iter().filter(|s| !is_test(&s.path) && !EDGES.iter().any(|e| s.path.starts_with(e)))
        {
            for (n, line) in product(&source.text).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for found in code.match_indices("crate::").map(|(at, _)| &code[at + 7..]) {
                    let named: String =
                        found.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !named.is_empty() && !may.contains(&named.as_str()) {
                        problems.push(format!("{}:{}: {room} may not use {named}", source.path, n + 1));
                    }
                }
                for door in
                    ["std::fs", "std::net", "std::env::", "tokio::", "std::time::SystemTime", "rand::"]
                {
                    if code.contains(door) {
                        problems.push(format!(
                            "{}:{}: {room} is pure and may not use {door}",
                            source.path,
                            n + 1
                        ));
                    }
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn only_the_command_line_prints() {
    let mut problems = Vec::new();
    for source in sources("src").iter().filter(|s| !s.path.starts_with("src/cli") && !is_test(&s.path)) {
        for (n, line) in product(&source.text).lines().enumerate() {
            if ["println!(", "eprintln!(", "dbg!(", "print!("]
                .iter()
                .any(|call| line.trim_start().starts_with(call))
            {
                problems.push(format!("{}:{}: {}", source.path, n + 1, line.trim()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn nothing_is_left_unfinished() {
    // Split, so that this file does not name them itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("], ["#[ign", "ore"]]
        .map(|m| m.concat());
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches", "proto", "policies"] {
        for source in sources_or_none(folder) {
            for (n, line) in source.text.lines().enumerate() {
                // An example that must not compile may stand in a comment.
                let example = line.trim_start().starts_with("///");
                let open = |mark: &&String| line.contains(mark.as_str()) && !(example && mark.ends_with('('));
                if let Some(mark) = marks.iter().find(open) {
                    problems.push(format!("{}:{}: {mark}", source.path, n + 1));
                }
            }
        }
    }
    complain(&problems);
}

fn sources_or_none(folder: &str) -> Vec<Source> {
    if Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).is_dir() { sources(folder) } else { Vec::new() }
}

#[test]
fn tests_wait_for_conditions_not_for_time() {
    let mut problems = Vec::new();
    for source in sources("tests") {
        for (n, line) in source.text.lines().enumerate() {
            if line.contains(["thread::", "sleep("].concat().as_str())
                || line.contains(["time::", "sleep("].concat().as_str())
            {
                problems.push(format!("{}:{}: sleeps", source.path, n + 1));
            }
        }
    }
    complain(&problems);
}
