//! Who carries out orders: threads of this process, or processes.

use std::{io, process::Stdio, sync::Arc, thread};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    process::Command,
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::LocalSet,
};

use crate::{
    orders::{Brief, Order, Report},
    part::Part,
    window::Window,
};

/// A part that does what it is told, wherever it is.
pub(crate) struct Hand {
    orders: UnboundedSender<Order>,
    reports: UnboundedReceiver<Report>,
    /// Of a process.
    pub(crate) pid: Option<u32>,
}

impl Hand {
    /// A part on a thread of its own.
    pub(crate) fn thread(brief: Brief, window: Arc<Window>) -> Result<Self, String> {
        let (orders, orders_of_part) = unbounded_channel();
        let (reports_of_part, reports) = unbounded_channel();
        let thread = thread::Builder::new().name(format!("bench-{}", brief.index));
        let run = move || on_this_thread(Part::run(brief, window, orders_of_part, reports_of_part));
        thread.spawn(run).map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { orders, reports, pid: None })
    }

    /// A part in a process of its own, which has descriptors of its own: this program again, as `sori bench worker`.
    pub(crate) fn process(brief: Brief) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot start another process of the load tester: {error}");
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        command.args(["bench", "worker"]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C is for the one that people see.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(cannot)?;
        let pid = child.id();
        let (orders, mut orders_of_part) = unbounded_channel::<Order>();
        let (reports_of_part, reports) = unbounded_channel();
        let (mut to, from) = (child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
        tokio::spawn(async move {
            let _child = child;
            let mut from = BufReader::new(from);
            let asked = async {
                tell(&mut to, &brief).await?;
                while let Some(order) = orders_of_part.recv().await {
                    tell(&mut to, &order).await?;
                    let Some(report) = hear(&mut from).await? else { break };
                    if reports_of_part.send(report).is_err() {
                        break;
                    }
                }
                Ok::<_, io::Error>(())
            };
            if let Err(error) = asked.await {
                let _ = reports_of_part.send(Report::Failed(format!("a process of the load tester is gone: {error}")));
            }
        });
        Ok(Self { orders, reports, pid })
    }

    /// Gives an order, whose report is the next one that has not been heard.
    pub(crate) fn order(&self, order: Order) {
        // Who is gone does not report, which is noticed then.
        let _ = self.orders.send(order);
    }

    pub(crate) async fn report(&mut self) -> Report {
        self.reports.recv().await.unwrap_or_else(|| Report::Failed("a part of the load tester has stopped working".into()))
    }
}

/// The other side of [`Hand::process`]: takes orders from the standard input until it ends.
pub(crate) fn work() -> Result<(), String> {
    on_this_thread(async {
        let (mut from, mut to) = (BufReader::new(tokio::io::stdin()), tokio::io::stdout());
        let Some(brief) = hear::<Brief>(&mut from).await? else { return Ok(()) };
        let window = Arc::new(Window::new(brief.parts, 0));
        let (orders, orders_of_part) = unbounded_channel();
        let (reports_of_part, mut reports) = unbounded_channel();
        crate::Descriptors::raise();
        tokio::task::spawn_local(Part::run(brief, window, orders_of_part, reports_of_part));
        while let Some(order) = hear::<Order>(&mut from).await? {
            let _ = orders.send(order);
            let Some(report) = reports.recv().await else { break };
            tell(&mut to, &report).await?;
        }
        Ok::<_, io::Error>(())
    })
    .map_err(|error| format!("this command is what `sori bench` starts to have more descriptors: {error}"))
}

async fn tell(to: &mut (impl AsyncWrite + Unpin), what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

async fn hear<T: DeserializeOwned>(from: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Option<T>> {
    let mut line = String::new();
    match from.read_line(&mut line).await? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_str(&line)?)),
    }
}

fn on_this_thread<F: Future>(future: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("the system has a place for events");
    LocalSet::new().block_on(&runtime, future)
}
