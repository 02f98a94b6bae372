// The running program: assembly, signals, and the end.
import Access
import Foundation
import Gateway
import JSON
import Logging
import NIOCore
import NIOPosix
import Proxy
import UnixSignals

/// Everything that runs, from start to drain.
struct RunningProgram: Sendable {
    private let settings: ProgramSettings
    private let logger: Logger
    private let facts = IssuerFacts()
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
        self.settings = settings
        self.logger = logger
        try RunningProgram.makeFolder(settings.dataDirectory)
        let events = IssuerNews(facts: self.facts, logger: logger)
        let services = try AccessServices.running(settings, events: events)
        let file = ConfigurationFile(
            path: configuration,
            environment: environment,
            services: services
        )
        let reading = file.read()
        for warning in reading.warnings { logger.warning("\(warning)") }
        guard let plan = reading.plan else {
            throw Failure(reading.errors.map(\.description).joined(separator: "\n"))
        }
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
        self.proxy = try RunningProgram.proxy(settings, services, self.holder, logger)
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let status = self.statusServer()
        let addresses = self.settings.proxyListen.isEmpty ? [] : try await self.proxy.start()
        try await status?.start()
        self.readiness.isReady = true
        self.logger.notice(
            "serving",
            metadata: [
                "version": "\(Version.current)", "routes": "\(self.holder.current.routes.count)",
                "proxy_listen": "\(addresses.map { "\($0.host):\($0.port)" }.joined(separator: ", "))",
            ]
        )
        let socket = ReloadSocket(dataDirectory: self.settings.dataDirectory)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.serveReloads(socket) }
            tasks.addTask { for await plan in self.plans { await AccessPlugins.start(plan) } }
            for await signal in signals {
                guard signal == .sighup else {
                    break
                }
                _ = await self.keeper.reload()
            }
            await self.drain()
            tasks.cancelAll()
        }
        await status?.drain(within: .zero)
        try? FileManager.default.removeItem(atPath: socket.path)
    }

    private func drain() async {
        self.readiness.isReady = false
        self.logger.notice("draining", metadata: ["connections": "\(self.proxy.connections)"])
        await self.proxy.drain(within: .seconds(self.settings.drainSeconds))
        self.logger.notice("stopped")
    }

    private func serveReloads(_ socket: ReloadSocket) async {
        do {
            try await socket.serve(on: MultiThreadedEventLoopGroup.singleton) { await self.keeper.reload() }
        } catch is CancellationError {
            return
        } catch {
            self.logger.warning(
                "`gatehouse reload` cannot reach this program, SIGHUP can: \(socket.path) does not open: \(error)"
            )
        }
    }

    // MARK: Assembly

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
        _ logger: Logger
    ) throws -> ProxyServer {
        let sink = LineSink()
        let pipeline = PipelineSettings(
            ownPaths: OwnPaths.all(services),
            clock: wallClock,
            accessLog: settings.accessLog ? LogSink { sink.write($0) } : nil,
            notice: { logger.warning("\($0)") }
        )
        let trusted = try settings.trustedAddresses.map { text in
            guard let range = AddressRange(text) else {
                throw Failure(
                    "setting 'trusted_ips': '\(text)' is no address and no CIDR block such as 10.0.0.0/8"
                )
            }
            return range
        }
        return ProxyServer(
            ServerSettings(
                listen: settings.proxyListen.map {
                    ListenAddress(host: $0.host, port: $0.port, backlog: $0.backlog)
                },
                workers: settings.workers,
                limits: settings.limits,
                trustedPeers: trusted
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
        let reloads = await self.keeper.counts
        snapshot.count(MetricKey("gatehouse_reloads_total", ["result": "taken"]), by: Double(reloads.taken))
        snapshot.count(MetricKey("gatehouse_reloads_total", ["result": "kept"]), by: Double(reloads.kept))
        self.facts.add(to: &snapshot, at: wallClock())
        return snapshot.exposition()
    }
}
