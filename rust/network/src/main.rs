//! The command line: runs cells of the matrix and prints one JSON line for each.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use curtaincall_link::Rate;
use curtaincall_network::crowd::{self, Crowd};
use curtaincall_network::engine::RealServer;
use curtaincall_network::error::NetworkError;
use curtaincall_network::matrix::{Cell, cells};
use curtaincall_network::outcome::Outcome;
use curtaincall_network::peer::Sender;
use curtaincall_network::server::VirtualServer;
use curtaincall_network::trial::Trial;
use lexopt::prelude::{Long, Short, Value, ValueExt};

const USAGE: &str = "\
Bad networks in front of the SFU: one JSON line for every cell of the matrix.

curtaincall-network matrix [OPTIONS]   the SFU's core on virtual time
  --seed N       of the cells and of everything that is lost in them (1)
  --cells A,B,C  only these
  --jobs N       cells at a time (2)
  --sender simple|gcc  by what publishers know their uplink: a simple sender, or str0m's port of Chromium's estimator
curtaincall-network real [OPTIONS]     the whole engine behind real sockets, one cell after the other
  --seed, --cells as above
curtaincall-network story [OPTIONS]    cells on virtual time, told every 100 ms
  --seed, --cells as above
curtaincall-network crowd [OPTIONS]    a room in which everybody watches everybody, one line for each of them
  --peers N      (20)
  --seconds N    measured, after a warm-up (20)
  --narrow P:KBPS,...  downlinks that are narrow
curtaincall-network list [--seed N]    the names of the cells
";

#[derive(Debug)]
struct Options {
    task: String,
    seed: u64,
    chosen: Vec<usize>,
    jobs: usize,
    crowd: Crowd,
    sender: Sender,
}

impl Options {
    fn drive(&self) -> (u64, Sender) {
        (self.seed, self.sender)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("curtaincall-network: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), NetworkError> {
    let options = parse()?;
    let mut wanted = cells(options.seed);
    if !options.chosen.is_empty() {
        wanted.retain(|cell| options.chosen.contains(&cell.number));
    }
    match options.task.as_str() {
        "matrix" => run_all(&wanted, &options),
        "real" => {
            for cell in wanted {
                let trial = Trial::new(cell, Instant::now(), RealServer::new()?, options.drive())?;
                println!("{}", trial.run()?.figures());
            }
            Ok(())
        }
        "story" => {
            for cell in wanted {
                let now = Instant::now();
                let trial = Trial::new(cell, now, VirtualServer::new(now)?, options.drive())?;
                let (outcome, story) = trial.run_and_tell()?;
                story.iter().for_each(|line| println!("{line}"));
                println!("{}", outcome.figures());
            }
            Ok(())
        }
        "crowd" => {
            let now = Instant::now();
            for received in crowd::run(&options.crowd, now, VirtualServer::new(now)?)? {
                println!("{}", received.figures());
            }
            Ok(())
        }
        "list" => {
            for cell in wanted {
                println!("{:>3} {}", cell.number, cell.name());
            }
            Ok(())
        }
        _ => {
            print!("{USAGE}");
            Ok(())
        }
    }
}

fn parse() -> Result<Options, NetworkError> {
    let mut options = Options {
        task: String::new(),
        seed: 1,
        chosen: Vec::new(),
        jobs: 2,
        crowd: Crowd {
            peers: 20,
            length: Duration::from_secs(20),
            narrow: Vec::new(),
            seed: 1,
            sender: Sender::Simple,
        },
        sender: Sender::Simple,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(task) if options.task.is_empty() => options.task = task.string()?,
            Short('h') | Long("help") => options.task = "help".to_owned(),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("sender") => {
                options.sender = match parser.value()?.string()?.as_str() {
                    "simple" => Sender::Simple,
                    "gcc" => Sender::Gcc,
                    other => return Err(NetworkError::Usage(format!("--sender {other}"))),
                }
            }
            Long("peers") => options.crowd.peers = parser.value()?.parse()?,
            Long("seconds") => {
                options.crowd.length = Duration::from_secs(parser.value()?.parse()?);
            }
            Long("narrow") => options.crowd.narrow = narrow(&parser.value()?.string()?)?,
            Long("jobs") => options.jobs = parser.value()?.parse()?,
            Long("cells") => {
                let list = parser.value()?.string()?;
                let numbers: Result<_, _> = list.split(',').map(str::parse).collect();
                options.chosen =
                    numbers.map_err(|_| NetworkError::Usage("--cells takes numbers".to_owned()))?;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    options.crowd.seed = options.seed;
    options.crowd.sender = options.sender;
    Ok(options)
}

/// Peers and the kilobits per second of their downlinks: `3:500,7:2000`.
fn narrow(list: &str) -> Result<Vec<(usize, Rate)>, NetworkError> {
    let one = |text: &str| {
        let (peer, kbps) = text.split_once(':')?;
        Some((peer.parse().ok()?, Rate(kbps.parse::<u64>().ok()? * 1_000)))
    };
    let all: Option<Vec<_>> = list.split(',').map(one).collect();
    all.ok_or_else(|| NetworkError::Usage(format!("--narrow {list}: PEER:KBPS,...")))
}

/// Run cells side by side and print each as it ends.
fn run_all(cells: &[Cell], options: &Options) -> Result<(), NetworkError> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, cells.len().max(1)) {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match try_cell(*cell, options) {
                        Ok(outcome) => println!("{}", outcome.figures()),
                        Err(error) => {
                            if let Ok(mut failed) = failed.lock() {
                                *failed = Some(error);
                            }
                            return;
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(()),
    }
}

fn try_cell(cell: Cell, options: &Options) -> Result<Outcome, NetworkError> {
    let now = Instant::now();
    Trial::new(cell, now, VirtualServer::new(now)?, options.drive())?.run()
}
