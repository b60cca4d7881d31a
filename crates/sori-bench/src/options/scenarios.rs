//! What each scenario is told beside.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Client, Common, File, Span};

/// A scenario's table of the file with its defaults, and its flags. `file` has what only the file has.
macro_rules! scenario {
    (
        $(#[$about:meta])* $name:ident, $flags:ident, $table:ident;
        flags { $($(#[$doc:meta])* $option:ident: $kind:ty = $default:expr, $value_name:literal;)* }
        file { $($(#[$file_doc:meta])* $file_option:ident: $file_kind:ty = $file_default:expr;)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $option: $kind,)*
            $($(#[$file_doc])* pub $file_option: $file_kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($option: $default,)* $($file_option: $file_default,)* }
            }
        }

        $(#[$about])*
        #[derive(Args, Clone, Debug)]
        pub struct $flags {
            #[command(flatten)]
            common: Common,
            $($(#[$doc])* #[arg(long, value_name = $value_name, help_heading = "Scenario")] $option: Option<$kind>,)*
        }

        impl $flags {
            /// The address, and all options: the file's, then the command line's.
            pub fn settled(self) -> Result<(String, File), String> {
                self.common.settled(|_file| {
                    $(if let Some(value) = self.$option {
                        _file.$table.$option = value;
                    })*
                })
            }
        }
    };
}

scenario! {
    /// Clients come, one after the other at a rate, and go again: what a connection costs.
    Connect, ConnectFlags, connect;
    flags {
        /// How long each stays [default: 0s]
        stay: Span = Span::from_secs(0), "TIME";
    }
    file {}
}

scenario! {
    /// Clients are there and do nothing: what a connection holds.
    Idle, IdleFlags, idle;
    flags {
        /// How long after the last has come it is measured [default: 10s]
        settle: Span = Span::from_secs(10), "TIME";
    }
    file {
        /// Whether everybody is sent one message at the end, to see that they are there.
        broadcast_at_end: bool = true;
    }
}

scenario! {
    /// What some say goes to everybody.
    Broadcast, BroadcastFlags, broadcast;
    flags {
        /// Clients that send; all receive [default: 1]
        senders: u32 = 1, "N";
    }
    file {
        /// Messages a second where nothing else is said.
        rate: f64 = 10.0;
    }
}

scenario! {
    /// Clients ask, and the server answers each.
    Echo, EchoFlags, echo;
    flags {}
    file {
        /// Messages a second where nothing else is said.
        rate: f64 = 1_000.0;
    }
}

scenario! {
    /// A broadcast to clients of several kinds at once.
    FanoutMixed, FanoutMixedFlags, fanout_mixed;
    flags {}
    file {
        /// The kinds, as many clients of each.
        clients: Vec<Client> = vec![Client::SocketIoWebSocket, Client::SocketIoPolling, Client::Sse, Client::LongPoll];
        /// Messages a second where nothing else is said.
        rate: f64 = 10.0;
    }
}

scenario! {
    /// Clients whose network comes and goes while there are messages for them.
    Jitter, JitterFlags, jitter;
    flags {
        /// How long a network is there, on average [default: 10s]
        up: Span = Span::from_secs(10), "TIME";
        /// How long it is away, on average [default: 2s]
        away: Span = Span::from_secs(2), "TIME";
    }
    file {
        /// Whether clients go on where they were, as far as the server can.
        recovery: bool = true;
        /// The part of the failures that the server does not see: no end of the connection, only silence.
        silent: f64 = 0.5;
        /// Messages a second where nothing else is said.
        rate: f64 = 10.0;
    }
}

scenario! {
    /// Everybody is cut off at once, and comes back.
    Avalanche, AvalancheFlags, avalanche;
    flags {
        /// Everybody tries to come back within this time; 0s is at once [default: 0s]
        within: Span = Span::from_secs(0), "TIME";
        /// How often it happens [default: 1]
        times: u32 = 1, "N";
    }
    file {
        /// How long they are away.
        away: Span = Span::from_secs(1);
        /// How long they may take until all are back.
        patience: Span = Span::from_secs(120);
        /// Messages a second where nothing else is said.
        rate: f64 = 10.0;
    }
}

scenario! {
    /// Some clients read slowly or not at all: what the others notice of it.
    SlowReaders, SlowReadersFlags, slow_readers;
    flags {
        /// The part of the clients that is slow, from 0 to 1 [default: 0.1]
        slow: f64 = 0.1, "SHARE";
        /// What a slow one reads in a second; 0 is nothing [default: 0]
        read: u64 = 0, "BYTES";
    }
    file {
        /// Messages a second where nothing else is said.
        rate: f64 = 50.0;
        /// Bytes that the kernel may hold for a slow one before the server notices.
        receive_buffer_bytes: u32 = 4_096;
    }
}

scenario! {
    /// Clients come, talk and go in every way there is, for long: what is left of them.
    Soak, SoakFlags, soak;
    flags {
        /// Clients that come and go in a second [default: 100]
        churn: f64 = 100.0, "N";
    }
    file {
        /// How much more memory the server may hold at the end than at the beginning, as a part of it.
        memory_growth_max: f64 = 0.1;
        /// How long the server rests before its memory is read.
        rest: Span = Span::from_secs(45);
        /// Messages a second where nothing else is said.
        rate: f64 = 500.0;
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program<F: Args> {
        #[command(flatten)]
        flags: F,
    }

    fn settled<F: Args>(settle: fn(F) -> Result<(String, File), String>, words: &[&str]) -> Result<File, String> {
        let words = ["bench", "http://127.0.0.1"].iter().chain(words);
        let matches = Program::<F>::command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        let program = Program::<F>::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        settle(program.flags).map(|(_, file)| file)
    }

    /// What the help says is the default is what happens without the flag.
    fn check_defaults<F: Args>(settle: fn(F) -> Result<(String, File), String>) {
        assert_eq!(settled(settle, &[]), Ok(File::default()));
        let mut checked = 0;
        for argument in Program::<F>::command().get_arguments() {
            let (Some(long), Some(help)) = (argument.get_long(), argument.get_help()) else { continue };
            let help = help.to_string();
            let Some((_, default)) = help.split_once("[default: ") else { continue };
            let default = default.trim_end_matches(']');
            if !["none", "by the clock", "the scenario's"].contains(&default) {
                assert_eq!(settled(settle, &[&format!("--{long}"), default]), Ok(File::default()), "--{long} {default}");
                checked += 1;
            }
        }
        assert!(checked > 8, "{checked}");
    }

    #[test]
    fn the_help_tells_the_defaults() {
        check_defaults(ConnectFlags::settled);
        check_defaults(IdleFlags::settled);
        check_defaults(BroadcastFlags::settled);
        check_defaults(EchoFlags::settled);
        check_defaults(FanoutMixedFlags::settled);
        check_defaults(JitterFlags::settled);
        check_defaults(AvalancheFlags::settled);
        check_defaults(SlowReadersFlags::settled);
        check_defaults(SoakFlags::settled);
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = std::env::temp_dir().join(format!("sori-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("options.toml");
        std::fs::write(&path, "[load]\nclients = 5\nrate = 7\npayload_bytes = 64\n[jitter]\nup = \"1m\"\naway = \"3s\"\n")
            .expect("a file");
        let file = path.to_str().expect("text");
        let words = ["--file", file, "--clients", "9", "--outstanding", "2", "--away", "250ms", "--pid", "1", "--pid", "2"];
        let options = settled(JitterFlags::settled, &words).expect("valid");
        let load = &options.load;
        assert_eq!((load.clients, load.rate, load.outstanding, load.payload_bytes), (9, None, Some(2), 64));
        assert_eq!((options.jitter.up, options.jitter.away), (Span::from_secs(60), Span::from_millis(250)));
        assert_eq!(options.server.pids, [1, 2]);
        std::fs::write(&path, "[load]\nclients = \"many\"\n").expect("a file");
        let error = settled(JitterFlags::settled, &["--file", file]).expect_err("that is no number");
        assert!(error.contains("options.toml") && error.contains("clients"), "{error}");
        std::fs::remove_dir_all(&folder).expect("it was made here");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let error = |words: &[&str]| settled(EchoFlags::settled, words).expect_err("it cannot be");
        assert!(error(&["--rate", "5", "--outstanding", "5"]).contains("cannot be used with"));
        assert!(error(&["--rate", "0"]).contains("rate must be more than 0"));
        assert!(error(&["--source", "here"]).contains("127.0.0.2-127.0.0.40"));
        assert!(error(&["--auth", "{"]).contains("no JSON"));
        assert!(error(&["--duration", "30"]).contains("30s"));
        assert!(error(&["--file", "nowhere.toml"]).contains("nowhere.toml"));
    }
}
