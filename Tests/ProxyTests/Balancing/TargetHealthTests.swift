// When a target falls, and how it comes back.

import NIOCore
import Testing

@testable import Proxy

struct TargetHealthTests {
    private var rules: BalancingRules {
        var rules = BalancingRules()
        rules.passive.httpFailures = 3
        rules.passive.tcpFailures = 2
        rules.passive.timeouts = 1
        return rules
    }

    /// A target that has fallen at second 0.
    private func fallen(_ change: (inout BalancingRules) -> Void = { _ in }) -> Patient {
        var rules = self.rules
        change(&rules)
        let patient = Patient(rules)
        patient.told(isUp: false, at: 0)
        return patient
    }

    @Test(arguments: [(HealthEvidence.httpFailure, 3), (.tcpFailure, 2), (.timeout, 1)])
    func `so many failures of a kind take a target out, one fewer does not`(
        evidence: HealthEvidence,
        limit: Int
    ) {
        let patient = Patient(self.rules)
        for _ in 1..<limit { #expect(patient.saw(evidence, by: .passive) == nil) }
        #expect(patient.health.state == .healthy)
        #expect(patient.saw(evidence, by: .passive)?.isUp == false)
        #expect(patient.health.state == .unhealthy)
    }

    @Test func `a success clears what was counted`() {
        let patient = Patient(self.rules)
        for _ in 0..<5 {
            for evidence in [HealthEvidence.httpFailure, .httpFailure, .success] {
                #expect(patient.saw(evidence, by: .passive) == nil)
            }
        }
    }

    @Test func `kinds and sources are counted apart`() {
        let patient = Patient(self.rules)
        #expect(patient.saw(.tcpFailure, by: .passive) == nil)
        #expect(patient.saw(.httpFailure, by: .passive) == nil)
        #expect(patient.saw(.tcpFailure, by: .active) == nil)
    }

    @Test func `where a limit is 0, nothing of the kind takes a target out`() {
        let patient = Patient(BalancingRules())
        for _ in 0..<300 { #expect(patient.saw(.tcpFailure, by: .passive) == nil) }
    }

    @Test func `active successes bring it back, with no failure between them`() {
        let patient = self.fallen { ($0.active.unhealthySeconds, $0.active.limits.successes) = (1, 2) }
        for evidence in [HealthEvidence.success, .tcpFailure, .success] {
            #expect(patient.saw(evidence, by: .active) == nil)
        }
        #expect(patient.health.state == .unhealthy)
        #expect(patient.saw(.success, by: .active)?.isUp == true)
        #expect(patient.health.state == .healthy)
    }

    @Test func `the end of an old request brings nobody back`() {
        let patient = self.fallen()
        #expect(patient.saw(.success, by: .passive) == nil)
        #expect(patient.health.state == .unhealthy)
    }

    // MARK: Trials

    @Test func `a trial is due after its time, and only one`() {
        let patient = self.fallen()
        #expect(patient.admittance(9.9) == .nothing)
        #expect(patient.admittance(10) == .oneTrial)
        patient.health.beginTrial()
        #expect(patient.admittance(11) == .nothing)
        #expect(patient.health.trialEnded(true, patient.rules, at: second(11)) != nil)
        #expect(patient.admittance(11) == .all)
    }

    @Test func `as many trials have to go well as the rules say`() {
        let patient = self.fallen { $0.passive.successes = 2 }
        #expect(patient.trial(true, at: 10) == nil)
        #expect(patient.trial(true, at: 10)?.isUp == true)
    }

    @Test func `the wait doubles with each trial that fails, up to a bound`() {
        let patient = self.fallen()
        var now = 10.0
        for wait in [20.0, 40, 80, 160, 160] {
            #expect(patient.trial(false, at: now) == nil)
            #expect(patient.admittance(now + wait - 0.1) == .nothing)
            now += wait
            #expect(patient.admittance(now) == .oneTrial)
        }
    }

    @Test func `a trial that tells nothing is made again`() {
        let patient = self.fallen()
        #expect(patient.trial(nil, at: 10) == nil)
        #expect(patient.admittance(10) == .oneTrial)
    }

    @Test func `there are no trials where active checks bring targets back, or where they are switched off`()
    {
        #expect(self.fallen { $0.trialSeconds = 0 }.admittance(100_000) == .nothing)
        let checked = self.fallen { ($0.active.unhealthySeconds, $0.active.limits.successes) = (1, 1) }
        #expect(checked.admittance(100_000) == .nothing)
        // Checks that count no success bring nobody back.
        checked.rules.active.limits.successes = 0
        #expect(checked.admittance(10) == .oneTrial)
    }

    @Test func `what another worker has seen counts at once`() {
        let patient = self.fallen()
        #expect(patient.health.state == .unhealthy)
        patient.told(isUp: true, at: 1)
        #expect(patient.health.state == .healthy)
        // Hearing it again changes nothing: the wait for the trial goes on.
        patient.told(isUp: false, at: 2)
        patient.told(isUp: false, at: 11)
        #expect(patient.admittance(12) == .oneTrial)
    }

    @Test func `who came back grows into its share`() {
        #expect(Patient(self.rules).share(0) == 1)
        let patient = self.fallen { $0.slowStartSeconds = 10 }
        patient.told(isUp: true, at: 20)
        #expect([20, 25, 31].map(patient.share) == [0.1, 0.5, 1])
        patient.rules.slowStartSeconds = 0
        #expect(patient.share(20) == 1)
    }
}
