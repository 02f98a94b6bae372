// The running program: assembly, signals, and the end.
import Access
import Descriptors
import Foundation
import Gateway
import JSON
import Logging
import NIOCore
import NIOPosix
import OIDC
import Proxy
import UnixSignals

/// Everything that runs, from start to drain.
struct RunningProgram: Sendable {
    private let settings: ProgramSettings
    private let logger: Logger
    private let facts = IssuerFacts()
    private let issuers: IssuerDirectory
    private let services: AccessServices
    private let signing: SigningKeyWatch
    private let names: UpstreamNames
    private let stores: StoreDesk
    private let readiness = Readiness()
    private let keeper: PlanKeeper
    /// Each plan that has come into force, for what is done beside serving.
    private let plans: AsyncStream<Plan>
    private let holder: PlanHolder
    private let proxy: ProxyServer

    /// Makes the folders, reads the keys and the configuration; nothing listens yet.
    ///
    /// - Throws: with the reason, for people.
    init(
        settings: ProgramSettings,
        configuration: String,
        environment: [String: String],
        logger: Logger
    ) throws {
        var settings = settings
        RunningProgram.fit(&settings.limits, logger)
        self.settings = settings
        self.logger = logger
        self.names = UpstreamNames(settings.nameServers, logger: logger)
        self.stores = StoreDesk(logger)
        try RunningProgram.makeFolder(settings.dataDirectory)
        let events = IssuerNews(facts: self.facts, logger: logger)
        let services = try AccessServices.running(settings, events: events, stores: self.stores) {
            logger.warning("\($0)")
        }
        self.issuers = services.issuers
        self.services = services
        self.signing = SigningKeyWatch(keys: services.signing, settings: settings, logger: logger)
        let file = ConfigurationFile(
            path: configuration,
            environment: environment,
            services: services,
            tls: settings.tls
        )
        let plan = try RunningProgram.firstPlan(file, logger)
        self.holder = PlanHolder(plan)
        let (plans, newPlan) = AsyncStream.makeStream(of: Plan.self, bufferingPolicy: .bufferingNewest(1))
        self.plans = plans
        newPlan.yield(plan)
        self.keeper = PlanKeeper(
            file: file,
            settings: settings,
            holder: self.holder,
            newPlan: newPlan,
            logger: logger
        )
        let holder = self.holder
        self.proxy = try Self.proxy(settings, services, holder, self.names, self.readiness, logger)
        if !settings.callsListen.isEmpty, settings.trustedAddresses.isEmpty {
            logger.warning(
                "ext_authz_listen: whoever asks there is refused until trusted_ips has Envoy's address"
            )
        }
    }

    private static func firstPlan(_ file: ConfigurationFile, _ logger: Logger) throws -> Plan {
        let reading = file.read()
        for warning in reading.warnings { logger.warning("\(warning)") }
        guard let plan = reading.plan else {
            throw Failure(reading.errors.map(\.description).joined(separator: "\n"))
        }
        return plan
    }

    /// Serves until SIGTERM or SIGINT, or until another program has taken over; then drains.
    ///
    /// - Parameter takesOver: whether a program with the same `data_dir` hands its listening sockets to this one.
    func run(takesOver: Bool) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let inheritance = try Inheritance.take(self.settings.dataDirectory, takesOver: takesOver, self.logger)
        let authorities = self.settings.trustedAuthorityFile
        let shared = self.services.shareEndings { self.stores.listener($0, authorities) }
        await shared?.begin()
        let status = self.statusServer()
        let listens = !self.settings.proxyListen.isEmpty || !self.settings.callsListen.isEmpty
        let servers = (listens ? [self.proxy] : []) + (status.map { [$0] } ?? [])
        let names = try await self.open(servers, inheritance)
        let control = ControlSocket(dataDirectory: self.settings.dataDirectory)
        let listener = await self.listen(control)
        inheritance.takeTurn(at: names)
        if inheritance.pid != nil { for server in servers { await server.accept() } }
        self.readiness.become(.serving)
        self.tellStart(inheritance, sharesEndings: shared != nil)
        let handover = Handover(claim: inheritance.claim, servers: servers, logger: self.logger)
        let (endings, end) = AsyncStream.makeStream(of: Ending.self)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.take(signals, end) }
            tasks.addTask { await self.serve(control, listener, handover, end) }
            tasks.addTask { await self.followPlans() }
            tasks.addTask { await self.issuers.keepFresh() }
            tasks.addTask { await self.services.endedSessions.keep(wallClock) }
            if let shared { tasks.addTask { await shared.run() } }
            tasks.addTask { await self.signing.run() }
            let ending = await endings.first { _ in true }
            let isLast = handover.close()
            // Its listening sockets are the younger program's now; what it answers is finished.
            if ending == .handedOver { tasks.addTask { await status?.drain(within: .seconds(1)) } }
            await self.drain()
            await self.services.finish()
            tasks.cancelAll()
            if isLast { try? FileManager.default.removeItem(atPath: control.path) }
        }
        await status?.drain(within: .zero)
        // The claim to `data_dir` ends with the program, not before.
        withExtendedLifetime(handover) {}
    }

    /// Opens the listeners; gives their names.
    private func open(_ servers: [ProxyServer], _ inheritance: Inheritance) async throws -> Set<String> {
        var names: Set<String> = []
        for server in servers {
            try await server.start(taking: inheritance.sockets, accepts: inheritance.pid == nil)
            names.formUnion(server.listenNames)
        }
        return names
    }

    /// Why a program ends.
    private enum Ending: Sendable {
        case signal, handedOver
    }

    private func take(_ signals: UnixSignalsSequence, _ end: AsyncStream<Ending>.Continuation) async {
        for await signal in signals {
            if signal == .sighup {
                _ = await self.keeper.reload()
            } else {
                end.yield(.signal)
            }
        }
    }

    private func followPlans() async {
        for await plan in self.plans {
            await self.proxy.keepUpstreams(plan.upstreams, plan.targetGroups)
            await AccessPlugins.start(plan)
        }
    }

    private func drain() async {
        self.readiness.become(.draining)
        self.logger.notice("draining", metadata: ["connections": "\(self.proxy.connections)"])
        await self.proxy.drain(within: .seconds(self.settings.drainSeconds))
        self.logger.notice("stopped")
    }

    private func tellStart(_ inheritance: Inheritance, sharesEndings: Bool) {
        let calls = self.settings.callsListen.map { "\($0.host):\($0.port)" }
        let ports = Set(self.settings.callsListen.map { ":\($0.port)" })
        let listen = self.proxy.listenNames.filter { name in !ports.contains { name.hasSuffix($0) } }.sorted()
            .joined(separator: ", ")
        var metadata: Logger.Metadata = [
            "version": "\(Version.current)", "routes": "\(self.holder.current.routes.count)",
            "proxy_listen": "\(listen)", "logouts": "\(sharesEndings ? "shared" : "this program's")",
        ]
        if !calls.isEmpty { metadata["ext_authz_listen"] = "\(calls.joined(separator: ", "))" }
        if let pid = inheritance.pid { metadata["took_over_from"] = "\(pid)" }
        self.logger.notice("serving", metadata: metadata)
    }

    // MARK: Commands to the running program

    private func listen(_ control: ControlSocket) async -> ControlSocket.Listener? {
        do {
            return try await control.listen(on: MultiThreadedEventLoopGroup.singleton)
        } catch {
            self.logger.warning(
                "`gatehouse reload` cannot reach this program, SIGHUP can: \(control.path) does not open: \(error)"
            )
            return nil
        }
    }

    private func serve(
        _ control: ControlSocket,
        _ listener: ControlSocket.Listener?,
        _ handover: Handover,
        _ end: AsyncStream<Ending>.Continuation
    ) async {
        guard let listener else { return }
        try? await control.serve(listener) { command, line in
            switch command {
            case .reload: try await line.say(await self.keeper.reload().json)
            case .end: try await line.say(await self.end(try await line.next()))
            case .takeover: if try await handover.give(&line) { end.yield(.handedOver) }
            }
        }
    }

    /// Ends the sessions that a line of JSON names.
    private func end(_ line: String?) async -> JSONValue {
        guard let line, let json = try? JSONValue(parsing: Array(line.utf8)), let wish = EndingWish(json)
        else {
            return .object(["error": .string("expected whose sessions are meant")])
        }
        let isKept = (try? await self.services.end(wish, at: wallClock())) ?? false
        self.logger.notice(
            "sessions ended by command",
            metadata: ["issuer": "\(wish.issuer ?? "all")", "kept": "\(isKept)"]
        )
        return .object(["result": .string(isKept ? "ended" : "unkept")])
    }

    // MARK: Assembly

    /// Opens as many files as may be, and lets in no more clients than that leaves room for.
    private static func fit(_ limits: inout ProxyLimits, _ logger: Logger) {
        let files = OpenFileLimit.raise()
        let room = ProxyLimits.connections(openFiles: files.now)
        logger.notice(
            "open files",
            metadata: [
                "before": "\(files.before)", "now": "\(files.now)",
                "connections": "\(min(limits.connectionsTotal ?? room, room))",
            ]
        )
        if let total = limits.connectionsTotal, total > room {
            logger.warning("limit_connections_total is \(total), but the open files leave room for \(room)")
        }
        limits.connectionsTotal = min(limits.connectionsTotal ?? room, room)
    }

    private static func makeFolder(_ path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw Failure("data_dir \(path) cannot be made")
        }
    }

    private static func proxy(
        _ settings: ProgramSettings,
        _ services: AccessServices,
        _ holder: PlanHolder,
        _ names: UpstreamNames,
        _ readiness: Readiness,
        _ logger: Logger
    ) throws -> ProxyServer {
        let sink = LineSink()
        let trusted = try settings.trustedRanges()
        let pipeline = PipelineSettings(
            ownPaths: OwnPaths.all(services),
            calls: OwnCalls.all(services, trustedPeers: trusted, readiness: readiness),
            clock: wallClock,
            accessLog: settings.accessLog ? LogSink { sink.write($0) } : nil,
            notice: { logger.warning("\($0)") },
            standings: { [ended = services.endedSessions] in ended.revision },
            theme: settings.theme,
            hstsSeconds: settings.hstsSeconds
        )
        return ProxyServer(
            ServerSettings(
                listen: settings.proxyListen.map { ListenAddress($0) }
                    + settings.callsListen.map { ListenAddress($0, isForCalls: true) },
                workers: settings.workers,
                limits: settings.limits,
                trustedPeers: trusted,
                certificates: { holder.current.certificates },
                names: names.addresses.source(settings.names),
                services: names.services.source(settings.names),
                notice: { logger.warning("\($0)") }
            ) { index, loop in
                Pipeline(worker: index, holder: holder, settings: pipeline) { flush in
                    loop.assumeIsolated().execute { flush() }
                }
            }
        )
    }

    private func statusServer() -> ProxyServer? {
        guard !self.settings.statusListen.isEmpty else { return nil }
        let listen = self.settings.statusListen.map {
            ListenAddress(host: $0.host, port: $0.port, backlog: $0.backlog)
        }
        return ProxyServer(
            ServerSettings(listen: listen, workers: 1) { _, _ in
                StatusHandler(readiness: self.readiness) { await self.exposition() }
            }
        )
    }

    private func exposition() async -> String {
        var snapshot = MetricsSnapshot()
        for worker in await self.proxy.onEachWorker({ ($0 as? Pipeline)?.snapshot() ?? MetricsSnapshot() }) {
            snapshot.merge(worker)
        }
        snapshot.set(MetricKey("gatehouse_connections"), to: Double(self.proxy.connections))
        for reason in TurnedAway.allCases {
            snapshot.count(
                MetricKey("gatehouse_connections_refused_total", ["reason": reason.rawValue]),
                by: Double(self.proxy.turnedAway(reason))
            )
        }
        for reason in EarlyRefusal.allCases {
            snapshot.count(
                MetricKey("gatehouse_connections_dropped_total", ["reason": reason.rawValue]),
                by: Double(self.proxy.refusals(reason))
            )
        }
        snapshot.count(MetricKey("gatehouse_accept_pauses_total"), by: Double(self.proxy.acceptPauses))
        for report in await self.proxy.upstreamReports() { snapshot.add(report) }
        let reloads = await self.keeper.counts
        snapshot.count(MetricKey("gatehouse_reloads_total", ["result": "taken"]), by: Double(reloads.taken))
        snapshot.count(MetricKey("gatehouse_reloads_total", ["result": "kept"]), by: Double(reloads.kept))
        self.facts.add(to: &snapshot, at: wallClock())
        self.names.add(to: &snapshot)
        self.services.add(to: &snapshot)
        self.stores.add(to: &snapshot)
        self.signing.add(to: &snapshot)
        return snapshot.exposition()
    }
}
