//! The rules, as data: each with the sentence that a breach is reported under.

/// Code under one of `within` names no path of `never`. Paths of the workspace begin with their crate's name, and what a
/// crate re-exports at its root counts as what it stands for. Code under `#[cfg(test)]` is free.
pub struct Names {
    pub why: &'static str,
    pub within: &'static [&'static str],
    pub never: &'static [&'static str],
}

pub const NAMES: &[Names] = &[
    Names {
        why: "sori-proto is sans-IO: bytes and time come in as arguments, seeds too",
        within: &["crates/sori-proto/src/"],
        never: &[
            "tokio",
            "mio",
            "rand",
            "getrandom",
            "fastrand",
            "std::net",
            "std::fs",
            "std::thread",
            "std::process",
            "std::env",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::io::stdin",
            "std::io::stdout",
            "std::future",
            "std::task",
        ],
    },
    Names {
        why: "a transport names no namespace, room or handler: it moves bytes for a session",
        within: &["crates/sori/src/transport/"],
        never: &[
            "sori::namespace",
            "sori::namespaces",
            "sori::rooms",
            "sori::handler",
            "sori::extract",
            "sori::emit",
            "sori::socket",
        ],
    },
    Names {
        why: "rooms, outbox and namespaces name no way of moving bytes: whoever drives a session does",
        within: &[
            "crates/sori/src/rooms.rs",
            "crates/sori/src/outbox.rs",
            "crates/sori/src/namespace.rs",
            "crates/sori/src/namespace/",
            "crates/sori/src/namespaces.rs",
            "crates/sori/src/log.rs",
            "crates/sori/src/log/",
            "crates/sori/src/emit.rs",
        ],
        never: &["sori::transport", "sori::driver", "sori::service", "tokio::net", "tokio::io", "hyper", "hyper_util"],
    },
    Names {
        why: "driver and sessions stand below the transports that use them",
        within: &["crates/sori/src/driver.rs", "crates/sori/src/driver/", "crates/sori/src/sessions.rs"],
        never: &["sori::transport", "sori::service"],
    },
    Names {
        why: "rooms and outbox stand at the bottom: what emits, and the namespace, use them",
        within: &["crates/sori/src/rooms.rs", "crates/sori/src/outbox.rs"],
        never: &["sori::namespace", "sori::namespaces", "sori::emit", "sori::handler", "sori::server"],
    },
    Names {
        why: "the server, the gallery and the examples use the library's face alone",
        within: &["crates/sori-server/", "crates/sori-gallery/", "crates/sori/examples/", "examples/"],
        never: &["sori_proto"],
    },
];

/// Code under one of `within` (all of it when empty) never says `never`, token by token.
pub struct Words {
    pub why: &'static str,
    pub within: &'static [&'static str],
    pub never: &'static [&'static [&'static str]],
    pub tests_too: bool,
}

pub const WORDS: &[Words] = &[
    Words {
        why: "rooms, outbox and namespaces never await",
        within: &[
            "crates/sori/src/rooms.rs",
            "crates/sori/src/outbox.rs",
            "crates/sori/src/namespace.rs",
            "crates/sori/src/namespace/",
            "crates/sori/src/namespaces.rs",
        ],
        never: &[&[".", "await"]],
        tests_too: false,
    },
    Words {
        why: "nothing is left unfinished, and nothing prints for its author",
        within: &[],
        never: &[&["todo", "!"], &["unimplemented", "!"], &["dbg", "!"]],
        tests_too: true,
    },
];

/// A file that ends like `ends` and lies in a folder called `folder` (anywhere when empty) has at most `lines_max` lines.
pub struct Length {
    pub why: &'static str,
    pub folder: &'static str,
    pub ends: &'static [&'static str],
    pub lines_max: usize,
}

pub const LENGTHS: &[Length] = &[
    Length {
        why: "a file that passes 800 lines has halves with names",
        folder: "",
        ends: &[".rs", ".js", ".mjs", ".ts", ".py", ".html", ".css", ".sh"],
        lines_max: 800,
    },
    Length { why: "an example stays under 80 lines", folder: "examples", ends: &[".rs"], lines_max: 80 },
];

/// No file of the project holds one of `never`, where it begins a word.
pub struct Strings {
    pub why: &'static str,
    pub never: &'static [&'static str],
}

// In pieces: this file is one of the project's, too.
pub const STRINGS: &[Strings] = &[
    Strings {
        why: "packages are named, not the hosts they come from: each machine has its own",
        never: &[
            concat!("registry.npm", "js.org"),
            concat!("registry.yarn", "pkg.com"),
            concat!("registry.npm", "mirror.com"),
            concat!("files.python", "hosted.org"),
            concat!("pypi", ".org"),
            concat!("index.crates", ".io"),
            concat!("static.crates", ".io"),
            concat!("deb.debian", ".org"),
            concat!("security.debian", ".org"),
            concat!("\"resolved\": \"", "http"),
        ],
    },
    Strings {
        why: "no path of one machine: a checkout may lie anywhere",
        never: &[concat!("/wor", "k/"), concat!("/roo", "t/"), concat!("/hom", "e/"), concat!("/User", "s/")],
    },
];

/// What each crate may need of this workspace, outside its tests; a crate that is not listed needs none.
pub const NEEDS: &[(&str, &[&str])] = &[
    ("sori", &["sori-proto"]),
    ("sori-redis", &["sori"]),
    ("sori-nats", &["sori"]),
    ("sori-gallery", &["sori"]),
    ("sori-client", &["sori-proto"]),
    ("sori-bench", &["sori-client"]),
    ("sori-server", &["sori", "sori-bench", "sori-gallery", "sori-client", "sori-redis", "sori-nats"]),
    ("sori-conformance", &["sori", "sori-proto"]),
    ("sori-operations", &["sori", "sori-proto"]),
];
pub const NEEDS_WHY: &str = "crates need each other in one direction: server, library, protocol";

pub const READMES: [&str; 2] = ["README.md", "README.ko.md"];
pub const READMES_WHY: &str = "both READMEs have the same headings and the same code";
