// Certificates, their names, and authorities out of a file.
import Gateway

extension EntityReader {
    mutating func readCertificate(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["snis"]),
            EntityFields.certificate,
            path: ""
        )
        let id = self.identifier(settings, "certificate", nil)
        self.register("certificate", settings, id: id, names: [])
        guard let cert = settings.string("cert"), let key = settings.string("key") else { return }
        var certificate = Certificate(id: id, certificate: cert, key: key)
        switch (settings.string("cert_alt"), settings.string("key_alt")) {
        case (nil, nil): break
        case (let cert?, let key?): certificate.add(certificate: cert, key: key)
        case (nil, _?), (_?, nil):
            let written = settings.wrote("cert_alt") ? "cert_alt" : "key_alt"
            self.reader.fail(
                at: settings.position(of: written),
                "\(written): 'cert_alt' and 'key_alt' go together"
            )
        }
        certificate.tags = settings.strings("tags") ?? []
        certificate.position = node.position
        for nested in self.list(node, "snis") {
            if let name = self.readNestedName(nested) { certificate.names.append(name) }
        }
        self.configuration.certificates.append(certificate)
    }

    /// A name that stands at the outermost level, with its certificate.
    mutating func readServerName(_ node: ConfigNode) {
        let settings = self.reader.record(node, EntityFields.sni, path: "snis")
        guard let entry = node.entry("certificate"), !entry.node.isNull,
            let name = settings.string("name"),
            let id = self.reference(entry.node, to: "certificate"),
            let place = self.configuration.certificates.firstIndex(where: { $0.id == id }),
            let known = self.serverName(name, at: settings.position(of: "name"))
        else { return }
        self.configuration.certificates[place].names.append(known)
    }

    mutating func readAuthority(_ node: ConfigNode) {
        let settings = self.reader.record(node, EntityFields.authority, path: "")
        let id = self.identifier(settings, "ca_certificate", nil)
        self.register("ca_certificate", settings, id: id, names: [])
        guard let certificate = settings.string("cert") else { return }
        var authority = Authority(id: id, certificate: certificate)
        authority.tags = settings.strings("tags") ?? []
        authority.position = node.position
        self.configuration.authorities.append(authority)
    }

    /// A name in certificates that stands for a consumer.
    mutating func readCertificateName(_ settings: Settings, _ consumer: inout Consumer) {
        guard let name = settings.string("subject_name") else { return }
        let place = settings.position(of: "subject_name")
        if name.isEmpty { self.reader.fail(at: place, "subject_name: expected a name, found nothing") }
        var authority: String?
        if let written = settings.any("ca_certificate") {
            let node = ConfigNode(written, at: settings.position(of: "ca_certificate"))
            guard let id = self.reference(node, to: "ca_certificate") else { return }
            authority = id
        }
        // One name of one authority is one consumer's.
        self.claim("\(name)\u{0}\(authority ?? "")", "the subject_name", at: place, shown: false)
        let id =
            settings.string("id")
            ?? StableIdentifier.make("certificate:\(consumer.id):\(consumer.certificates.count)")
        consumer.certificates.append(CertificateCredential(id: id, subjectName: name, authority: authority))
    }

    /// The bare name, or a record that has it.
    private mutating func readNestedName(_ node: ConfigNode) -> String? {
        if case .scalar(let name, _) = node.value { return self.serverName(name, at: node.position) }
        let fields = EntityFields.sni.filter { $0.name != "certificate" }
        let settings = self.reader.record(node, fields, path: "snis")
        return settings.string("name").flatMap { self.serverName($0, at: settings.position(of: "name")) }
    }

    /// The name as handshakes ask for it, if it is one and nobody else has it.
    private mutating func serverName(_ text: String, at position: Position) -> String? {
        var name = text.lowercased()
        if name.hasSuffix("."), name.count > 1 { name.removeLast() }
        let plain =
            name.hasPrefix("*.") ? name.dropFirst(2) : name.hasSuffix(".*") ? name.dropLast(2) : name[...]
        guard name == "*" || (!plain.contains(":") && ServiceURL.isHost(String(plain))) else {
            self.reader.fail(
                at: position,
                "snis: '\(text)' is no host name; '*.example.com' and 'example.*' are wildcards, '*' fits any"
            )
            return nil
        }
        self.claim(name, "the sni", at: position)
        return name
    }

    /// Takes whom we believe of a service, and what we show it.
    mutating func readTLS(_ settings: Settings, _ service: inout Service) {
        let fields = ["client_certificate", "tls_verify", "ca_certificates"]
        for name in fields where settings.wrote(name) && !service.speaksTLS {
            self.reader.fail(
                at: settings.position(of: name),
                "\(name): only with the protocol 'https' or 'grpcs'"
            )
        }
        service.verifiesTLS = settings.boolean("tls_verify") ?? true
        if !service.verifiesTLS, service.speaksTLS {
            self.reader.warn(
                at: settings.position(of: "tls_verify"),
                "tls_verify: false lets anybody between us and the service read and change everything"
            )
        }
        let place = settings.position(of: "ca_certificates")
        for name in settings.strings("ca_certificates") ?? [] {
            let node = ConfigNode(.scalar(name, .quoted), at: place)
            if let id = self.reference(node, to: "ca_certificate") { service.authorities.append(id) }
        }
        // P8: an empty list would believe nobody, or everybody.
        if settings.strings("ca_certificates")?.isEmpty == true {
            self.reader.fail(at: place, "ca_certificates: expected at least one, found none")
        }
        if let written = settings.any("client_certificate") {
            let place = settings.position(of: "client_certificate")
            service.clientCertificate = self.reference(ConfigNode(written, at: place), to: "certificate")
        }
    }
}
