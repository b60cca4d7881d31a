//! Where a scenario is played: who plays it, for how long, and what came of it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::Notify;

use crate::{
    Better, Completeness, Counts, Descriptors, Ended, Heading, Latencies, Limits, Load, Of, Phase, Progress, Random, Recorder,
    Run, Snapshot, Target, Unit, Watch,
    fault::Faults,
    hand::Hand,
    options::{Client, File, without_query},
    orders::{Brief, Errand, Event, Finished, Order, PartTick, Report, Visit, unix_ns},
    part::sources,
    text::counted,
    window::{RING, Window},
};

/// Everything of one run.
pub(crate) struct Stage {
    pub(crate) file: File,
    hands: Vec<Hand>,
    recorder: Recorder,
    progress: Progress,
    watch: Watch,
    began: Instant,
    limits: Limits,
    faults: Faults,
    /// What all parts have said since the last tick.
    pub(crate) last: PartTick,
    /// Since when nobody has been connected or let in, and how many have lost their connection or were refused since.
    in_vain: Option<(Instant, u64)>,
    interrupt: Arc<Notify>,
    /// Latencies since they were last taken.
    collected: Latencies,
    /// What is sent.
    errand: Errand,
    /// The share of slow readers.
    slow: f64,
    delivered: u64,
    /// How many messages were sent, and by whom.
    sent: u64,
    said: Vec<u32>,
    /// What the result is called that the latencies are of.
    about: &'static str,
}

/// Why a scenario ended before its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// It cannot go on.
    Failed(String),
}

/// What there is to say of a scenario before it begins.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// What the latencies are of: `delivery`, `echo`, `connect`.
    pub(crate) about: &'static str,
    pub(crate) kinds: Vec<Client>,
    pub(crate) load: Load,
    pub(crate) returns: bool,
    /// Connections for each client, at most and on average.
    pub(crate) connections_each: f64,
    pub(crate) slow: f64,
    /// Senders of a closed loop that say something to everybody.
    pub(crate) senders: u32,
    /// How long it takes, if that is known.
    pub(crate) planned: Option<Duration>,
}

impl Stage {
    /// Finds the server and whoever plays. Nothing has been connected yet.
    pub(crate) fn set(url: &str, file: File, plan: Plan) -> Result<Self, String> {
        let find = |url: &str| Target::find(url, &file.server.i_own).map(Target::answering_first);
        let target = find(url)?;
        let posts: Vec<Target> = file.server.post_urls.iter().map(|url| find(url)).collect::<Result<_, _>>()?;
        let mut watch = Watch::new(&file.server.pids)?;
        let descriptors = Descriptors::raise();
        let seed = file.load.seed.unwrap_or_else(by_the_clock);
        let processes = processes(&file, descriptors, &plan)?;
        let parts = processes.unwrap_or(file.load.threads);
        let first = Brief {
            file: file.clone(),
            target: target.clone(),
            posts,
            connections: connections(&file, &plan),
            kinds: plan.kinds.clone(),
            // Of this run alone, whatever its seed.
            run: Random::new(by_the_clock()).next_u64() as u32,
            seed,
            index: 0,
            parts,
            epoch_unix_ns: unix_ns(),
            returns: plan.returns,
            slow: plan.slow,
        };
        sources(&first)?;
        let is_closed = matches!(plan.load, Load::Closed { .. });
        if is_closed && plan.returns {
            return Err("clients that are away answer nothing: take --rate instead of --outstanding".into());
        }
        if is_closed && plan.senders > 0 && processes.is_some() {
            return Err(
                "a closed loop of broadcasts cannot be shared among processes: take --rate instead of --outstanding".into()
            );
        }
        if is_closed && plan.senders > 0 && file.load.outstanding.is_some_and(|outstanding| outstanding as usize > RING) {
            return Err(format!("at most {RING} broadcasts can be outstanding"));
        }
        let window = Arc::new(Window::new(parts, if is_closed { plan.senders } else { 0 }));
        let hands = (0..parts).map(|index| {
            let brief = Brief { index, ..first.clone() };
            if processes.is_some() { Hand::process(brief) } else { Hand::thread(brief, window.clone()) }
        });
        let hands: Vec<Hand> = hands.collect::<Result<_, _>>()?;
        watch.helped_by(hands.iter().filter_map(|hand| hand.pid).collect());
        let limits = Limits {
            threads: parts.into(),
            descriptors,
            server_is_here: target.is_here(),
            server_cores_max: watch.server_cores_max(),
            ..Limits::default()
        };
        let mut run = Run::new(plan.name, &without_query(url));
        run.name.clone_from(&file.output.name);
        run.seed = seed;
        run.load = plan.load;
        run.set_options(&file.published());
        let heading =
            Heading { title: run.title(), planned: plan.planned, clients: file.load.clients, visitors: run.has_visitors() };
        let mut recorder = Recorder::new(run, *file.output.interval);
        if let Some(server) = watch.sample().and_then(|sample| sample.server) {
            recorder.idle_server_bytes(server.memory_bytes);
        }
        Ok(Self {
            progress: Progress::new(heading, *file.output.interval, file.output.quiet),
            began: first.epoch(),
            file,
            hands,
            recorder,
            watch,
            limits,
            faults: Faults::default(),
            last: PartTick::default(),
            in_vain: None,
            interrupt: interrupt(),
            collected: Latencies::new(),
            errand: Errand::Nothing,
            slow: plan.slow,
            delivered: 0,
            sent: 0,
            said: Vec::new(),
            about: plan.about,
        })
    }

    /// Tries with one client whether it can work at all.
    pub(crate) async fn rehearse(&mut self, errand: Errand) -> Result<(), Stopped> {
        let trying = async {
            self.hands[0].order(Order::Rehearse(errand));
            self.hands[0].report().await
        };
        tokio::select! {
            report = trying => done(report),
            // Its report may come much later, and nobody is there to read it.
            () = self.interrupt.notified() => Err(Stopped::Failed("stopped before it began".into())),
        }
    }

    /// Connects everybody.
    pub(crate) async fn connect(&mut self) -> Result<(), Stopped> {
        self.tell(Order::Connect).await?;
        let limit = Duration::from_secs_f64(self.file.load.clients as f64 / self.file.load.connect_rate)
            + *self.file.server.connect_timeout * 2;
        let is_in = |last: &PartTick| last.waiting == 0;
        if !self.until(Phase::Connect, limit, is_in).await? {
            let why = self.faults.worst().map_or_else(String::new, |worst| format!(": {worst}"));
            let missing = counted(self.last.waiting, "client has", "clients have");
            return Err(Stopped::Failed(format!("{missing} not come in within {} s{why}", limit.as_secs())));
        }
        match self.last.tick.connected {
            0 => Err(Stopped::Failed(self.all_lost("no client came in"))),
            _ => Ok(()),
        }
    }

    /// Sends from now on.
    pub(crate) async fn send(&mut self, errand: Errand) -> Result<(), Stopped> {
        self.errand = errand;
        // All parts know what they will hear before the first of them speaks.
        self.tell(Order::Expect(errand)).await?;
        self.tell(Order::Send(errand)).await
    }

    /// Stops sending, and waits for what is under way.
    pub(crate) async fn hush(&mut self) -> Result<(), Stopped> {
        self.stop_sending().await?;
        let owed = self.sent * if matches!(self.errand, Errand::Ask { .. }) { 1 } else { self.receivers() };
        // What was sent while it counted counts, however late it comes.
        self.recorder.count_the_late();
        let end = Instant::now() + *self.file.load.drain;
        let mut quiet = 0;
        // What is not owed may come, too: twice, or of others.
        while Instant::now() < end && (self.delivered < owed || quiet < QUIET) {
            self.tick(Phase::Drain, TICK).await?;
            quiet = if self.last.tick.counts.delivered + self.last.waiting == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// Those that are to hear what is said to everybody.
    fn receivers(&self) -> u64 {
        let slow = (self.file.load.clients as f64 * self.slow) as u64;
        self.last.tick.connected.saturating_sub(slow)
    }

    /// Lets something happen to the clients.
    pub(crate) async fn befall(&mut self, event: Event) -> Result<(), Stopped> {
        self.tell(Order::Befall(event)).await
    }

    /// Lets clients come and go.
    pub(crate) async fn visit(&mut self, visit: Visit) -> Result<(), Stopped> {
        self.tell(Order::Visit(visit)).await
    }

    /// So long.
    pub(crate) async fn hold(&mut self, phase: Phase, time: Duration) -> Result<(), Stopped> {
        self.until(phase, time, |_| false).await.map(drop)
    }

    /// Until something is so, which is told, or for so long.
    pub(crate) async fn until(
        &mut self,
        phase: Phase,
        limit: Duration,
        is_so: impl Fn(&PartTick) -> bool,
    ) -> Result<bool, Stopped> {
        let end = Instant::now() + limit;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.tick(phase, left.min(TICK)).await?;
            if is_so(&self.last) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Latencies since they were last asked for.
    pub(crate) fn collect(&mut self) -> Latencies {
        std::mem::take(&mut self.collected)
    }

    /// The run's own clock, in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// What is found out beside.
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: Unit, better: Better) {
        self.recorder.run().add_figure(name, value, unit, better);
    }

    /// CPU of the server in what was measured so far.
    pub(crate) fn server_cores(&mut self) -> Option<f64> {
        let series = &self.recorder.run().series;
        let known = || series.measured().filter_map(|at| Some((at.ms as f64, at.sample.as_ref()?.server.as_ref()?.cores)));
        let ms: f64 = known().map(|(ms, _)| ms).sum();
        (ms > 0.0).then(|| known().map(|(ms, cores)| ms * cores).sum::<f64>() / ms)
    }

    /// Whether nobody has been connected yet.
    pub(crate) fn is_before_the_first(&mut self) -> bool {
        self.recorder.run().series.intervals.is_empty()
    }

    /// Memory of the server now, if its processes are known.
    pub(crate) fn server_bytes(&mut self) -> Option<u64> {
        Some(self.watch.sample()?.server?.memory_bytes)
    }

    pub(crate) fn run(&mut self) -> &mut Run {
        self.recorder.run()
    }

    /// Says something above what moves.
    pub(crate) fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    /// Everybody leaves; the server has seen the end of them when this is over, or will not.
    pub(crate) async fn leave(&mut self) -> Result<(), Stopped> {
        self.tell(Order::Leave).await?;
        self.until(Phase::Drain, LEAVING, |last| last.tick.connected + last.waiting == 0).await.map(drop)
    }

    /// What came of it.
    pub(crate) async fn finish(mut self, played: Result<(), Stopped>) -> Run {
        let mut finished = Finished::default();
        let mut ended = match played {
            Ok(()) => Ended::Whole,
            Err(Stopped::Interrupted) => Ended::Interrupted,
            Err(Stopped::Failed(why)) => Ended::Failed { why },
        };
        if ended != Ended::Whole {
            let _ = self.stop_sending().await;
        }
        self.order(Order::Finish(self.said.clone()));
        for report in self.reports().await {
            match report {
                Report::Finished(part) => finished.merge(*part),
                report if ended == Ended::Whole => ended = Ended::Failed { why: failure(report) },
                // The first reason is the one to be told.
                _ => {}
            }
        }
        self.progress.close();
        let Finished { mut completeness, slow, latencies, resumed, restarted, slow_closed } = finished;
        completeness.sent += self.sent;
        if resumed + restarted > 0 {
            self.figure("went on where they were", resumed as f64 / (resumed + restarted) as f64, Unit::Share, Better::Higher);
        }
        if slow.expected > 0 {
            self.slow_figures(&slow, slow_closed);
        }
        self.limits.descriptor_errors = self.faults.descriptors;
        self.limits.port_errors = self.faults.ports;
        self.recorder.limits(self.limits.clone());
        for (kind, count) in self.faults.counts() {
            self.recorder.errors(kind, count);
        }
        for (name, latencies) in &latencies {
            self.recorder.run().add_latencies(name, Of::named(name), latencies);
        }
        self.recorder.finish(self.about, completeness, ended)
    }

    fn slow_figures(&mut self, slow: &Completeness, closed: u64) {
        self.figure("slow readers", slow.streams as f64, Unit::Count, Better::Neither);
        self.figure("slow readers that the server closed", closed as f64, Unit::Count, Better::Neither);
        let share = slow.delivered as f64 / slow.expected as f64;
        self.figure("delivered to slow readers", share, Unit::Share, Better::Neither);
    }

    async fn stop_sending(&mut self) -> Result<(), Stopped> {
        self.order(Order::Hush);
        let mut failed = None;
        for report in self.reports().await {
            match report {
                Report::Hushed(all, each) => {
                    self.sent += all;
                    for (sender, said) in each {
                        let at = sender as usize;
                        self.said.resize(self.said.len().max(at + 1), 0);
                        self.said[at] += said;
                    }
                }
                report => failed = Some(failure(report)),
            }
        }
        failed.map_or(Ok(()), |why| Err(Stopped::Failed(why)))
    }

    /// What all parts answer to the last order. All are heard, whatever the first says: the next order has answers of its own.
    async fn reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::with_capacity(self.hands.len());
        for hand in &mut self.hands {
            reports.push(hand.report().await);
        }
        reports
    }

    /// Waits, asks all parts what has happened, keeps it, and shows it.
    async fn tick(&mut self, phase: Phase, wait: Duration) -> Result<(), Stopped> {
        let interrupted = tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = self.interrupt.notified() => true,
        };
        let connected_before = self.last.tick.connected;
        self.order(Order::Tick);
        self.last = PartTick::default();
        let mut failed = None;
        for report in self.reports().await {
            match report {
                Report::Ticked(part) => self.last.merge(*part),
                report => failed = Some(failure(report)),
            }
        }
        self.delivered += self.last.tick.counts.delivered;
        self.faults.merge(std::mem::take(&mut self.last.faults));
        self.collected.merge(&self.last.tick.latencies);
        let sample = self.watch.sample();
        self.recorder.enter(phase);
        let snapshot: Snapshot = self.recorder.tick(self.began.elapsed(), &self.last.tick, sample);
        self.progress.show(snapshot);
        if let Some(why) = failed {
            return Err(Stopped::Failed(why));
        }
        let gone = self.gone(phase, connected_before);
        match (interrupted, gone) {
            (true, _) => Err(Stopped::Interrupted),
            (_, Some(how)) => Err(Stopped::Failed(self.all_lost(how))),
            _ => Ok(()),
        }
    }

    /// Whether there is no server any more, as far as anybody can tell.
    fn gone(&mut self, phase: Phase, connected_before: u64) -> Option<&'static str> {
        let PartTick { tick, .. } = &self.last;
        let Counts { opened, refused, lost, .. } = tick.counts;
        if tick.connected + opened > 0 {
            self.in_vain = None;
            return None;
        }
        if lost > 0 && lost >= connected_before {
            return Some("all connections were lost");
        }
        // Who has never been in is counted elsewhere.
        if phase == Phase::Connect {
            return None;
        }
        let (since, tries) = self.in_vain.get_or_insert((Instant::now(), 0));
        *tries += lost + refused;
        (*tries >= TRIES && since.elapsed() >= GONE).then_some("nobody is let in any more")
    }

    fn all_lost(&self, what: &str) -> String {
        match self.faults.worst() {
            Some(worst) => format!("{what}: {worst}"),
            None => what.to_owned(),
        }
    }

    async fn tell(&mut self, order: Order) -> Result<(), Stopped> {
        self.order(order);
        self.reports().await.into_iter().map(done).fold(Ok(()), Result::and)
    }

    fn order(&self, order: Order) {
        self.hands.iter().for_each(|hand| hand.order(order.clone()));
    }
}

fn done(report: Report) -> Result<(), Stopped> {
    match report {
        Report::Done => Ok(()),
        report => Err(Stopped::Failed(failure(report))),
    }
}

fn failure(report: Report) -> String {
    match report {
        Report::Failed(why) => why,
        _ => "a part of the load tester answered something else than was asked".into(),
    }
}

/// Tells of the first Ctrl-C, after which there is still a result. The second ends the process.
fn interrupt() -> Arc<Notify> {
    let interrupt = Arc::new(Notify::new());
    let told = interrupt.clone();
    tokio::spawn(async move {
        // Where nobody can be told of signals, nobody is interrupted.
        while tokio::signal::ctrl_c().await.is_ok() {
            told.notify_one();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    });
    interrupt
}

/// How many processes it takes, if one may not have so many descriptors.
fn processes(file: &File, descriptors: Descriptors, plan: &Plan) -> Result<Option<u32>, String> {
    let connections = connections(file, plan);
    match (file.load.processes, descriptors.room_for(connections)) {
        (Some(processes), _) => Ok(Some(processes)),
        (None, Ok(())) => Ok(None),
        (None, Err(too_many)) => {
            let each = descriptors.connections_max();
            let needed = connections.div_ceil(each.max(1));
            if each == 0 || needed > PROCESSES_MAX {
                return Err(too_many);
            }
            Ok(Some(needed as u32))
        }
    }
}

/// The most that are open at once.
fn connections(file: &File, plan: &Plan) -> u64 {
    (file.load.clients as f64 * plan.connections_each).ceil() as u64
}

fn by_the_clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

/// What a terminal shows is not older.
const TICK: Duration = Duration::from_millis(500);
/// After so many ticks in which nothing came, nothing will.
const QUIET: u32 = 2;
/// A server that lets nobody in for so long, although so many have tried, is gone.
const GONE: Duration = Duration::from_secs(10);
const TRIES: u64 = 3;
const LEAVING: Duration = Duration::from_secs(10);
const PROCESSES_MAX: u64 = 256;
