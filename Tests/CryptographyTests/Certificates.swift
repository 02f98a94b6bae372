// Certificates for tests, made with Python's cryptography; valid from 2025 to 2035 where nothing else is said.

/// A root, an intermediate until 2033, and what they signed.
enum Certificates {
    /// Root.
    static let root = """
        -----BEGIN CERTIFICATE-----
        MIIBUzCB+6ADAgECAgIQATAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFow
        ITEQMA4GA1UECgwHRXhhbXBsZTENMAsGA1UEAwwEUm9vdDBZMBMGByqGSM49AgEG
        CCqGSM49AwEHA0IABIFjfz4gk4b4hwhq05UJRc1efanGlMrAwp+qzHPELeOWc7PY
        C0TDHQiPHBccBzvF5BFTXtRnQPKNbSuhn81aK2GjIzAhMA8GA1UdEwEB/wQFMAMB
        Af8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0cAMEQCIFpaqovlGls2IXJf
        vwHUIi35fvMiQzFng2YbS48keuvIAiAjcolaHdyN3mblETYwX2OQaqa+4efk2QdN
        mIQpkIJlxg==
        -----END CERTIFICATE-----
        """

    /// Signed by the root, an authority itself, until 2033.
    static let middle = """
        -----BEGIN CERTIFICATE-----
        MIIBVjCB/aADAgECAgIQAjAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTMzMDEwMTAwMDAwMFow
        IzEQMA4GA1UECgwHRXhhbXBsZTEPMA0GA1UEAwwGTWlkZGxlMFkwEwYHKoZIzj0C
        AQYIKoZIzj0DAQcDQgAED55Z4mPHvNDllDoQ/XEXkwgzGvYuP+usAIhKrqN8hdlJ
        MFHvjDIZKogDyxLVdHKRdgr6OKbAG+Fqs2+akxJczqMjMCEwDwYDVR0TAQH/BAUw
        AwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIhALTULbmZpmPc
        IjobRAhJPOckPKqU8PTlVws+bVqP2dqLAiBI7aEuiz0zGDBpGS6wUq9tcjLBsp1O
        tVRPTGu91WgJew==
        -----END CERTIFICATE-----
        """

    /// Signed by the intermediate, for clients, until 2031.
    static let leaf = """
        -----BEGIN CERTIFICATE-----
        MIIB5DCCAYugAwIBAgICEAMwCgYIKoZIzj0EAwIwIzEQMA4GA1UECgwHRXhhbXBs
        ZTEPMA0GA1UEAwwGTWlkZGxlMB4XDTI1MDEwMTAwMDAwMFoXDTMxMDEwMTAwMDAw
        MFowOTELMAkGA1UEBhMCREUxFTATBgNVBAoMDELDpHIsIFPDtmhuZTETMBEGA1UE
        AwwKY2xpZW50IG9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKdzkxYXjw2F
        ipqr9ySdcDoTrGMKmf4YKrcA1I1inLbzjpKOs04C0/MOR+0HmeQ58wnGFlbfSgWk
        X59sO4j5LjSjgZgwgZUwDAYDVR0TAQH/BAIwADBwBgNVHREEaTBngg5jbGllbnQu
        ZXhhbXBsZYESY2xpZW50QGV4YW1wbGUuY29thhdzcGlmZmU6Ly9leGFtcGxlL2Ns
        aWVudKQoMCYxEDAOBgNVBAoMB0V4YW1wbGUxEjAQBgNVBAMMCWVsc2V3aGVyZTAT
        BgNVHSUEDDAKBggrBgEFBQcDAjAKBggqhkjOPQQDAgNHADBEAiApei+rxjv6TLWK
        /qcxjDPeIAtYykd4wdhHO0W2P2XXpAIgGrqC2ieXubykU3Ts2eVXqD3g/B8WMFzM
        gwrhGW0LHbg=
        -----END CERTIFICATE-----
        """

    /// Signed by the root, for servers alone.
    static let server = """
        -----BEGIN CERTIFICATE-----
        MIIBWTCB/6ADAgECAgIQBDAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFow
        IzEQMA4GA1UECgwHRXhhbXBsZTEPMA0GA1UEAwwGc2VydmVyMFkwEwYHKoZIzj0C
        AQYIKoZIzj0DAQcDQgAEp3OTFhePDYWKmqv3JJ1wOhOsYwqZ/hgqtwDUjWKctvOO
        ko6zTgLT8w5H7QeZ5DnzCcYWVt9KBaRfn2w7iPkuNKMlMCMwDAYDVR0TAQH/BAIw
        ADATBgNVHSUEDDAKBggrBgEFBQcDATAKBggqhkjOPQQDAgNJADBGAiEAg7Mba4Ct
        Z14KSyqCaLwctAgj4n0GZId8kOUe0FqS+rACIQDm8XfkPBv4K6rveTSsygRLFGv8
        4ZsPMCs3HTRuK53c/g==
        -----END CERTIFICATE-----
        """

    /// Signed by the root, with an RSA key of 1024 bits.
    static let weak = """
        -----BEGIN CERTIFICATE-----
        MIIBiDCCAS+gAwIBAgICEAUwCgYIKoZIzj0EAwIwITEQMA4GA1UECgwHRXhhbXBs
        ZTENMAsGA1UEAwwEUm9vdDAeFw0yNTAxMDEwMDAwMDBaFw0zNTAxMDEwMDAwMDBa
        MCExEDAOBgNVBAoMB0V4YW1wbGUxDTALBgNVBAMMBHdlYWswgZ8wDQYJKoZIhvcN
        AQEBBQADgY0AMIGJAoGBAK2R/+WXJRoKCM0EBi8E5RumlKFqnPdC+hSkkRI2XHEc
        Zk5KnVY3KofXlIzV9Jvtqj2T0wVr4dN047cWQsjgh+Bu7tgkyRyHLpXZuopaBGMf
        r99cv8SQAgSX43Up+YMoM17IgtYbCZVzIsirSbUAqxlxxY4+LX2O2JbnOv1nP+rB
        AgMBAAGjEDAOMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDRwAwRAIgCbpGo4SS
        A1qaX3HEQSGC8e4IRVm37r8aptjEkmFs0skCIAiadBv1f5L+xxlj4uVf+oKcJkc8
        ILz5lflkj3kPBRbf
        -----END CERTIFICATE-----
        """

    /// Another root of the same name.
    static let other = """
        -----BEGIN CERTIFICATE-----
        MIIBUzCB+6ADAgECAgIQBjAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFow
        ITEQMA4GA1UECgwHRXhhbXBsZTENMAsGA1UEAwwEUm9vdDBZMBMGByqGSM49AgEG
        CCqGSM49AwEHA0IABAqn6pvALvxj4v48GYRp9I6fxFSqf2KcXxLvlKI3ERAdLV7u
        TMCIuXNZ1SIEiH8WyLeQG4JhZFfgd4HKvOusQc6jIzAhMA8GA1UdEwEB/wQFMAMB
        Af8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0cAMEQCIG2L1Wbt7l0TeNFn
        xju9ncxTqPJQFBVVsl6MUIKzZuyMAiAkyEFlan6vgqRjF641kW4nEkZYY5qzLIIa
        vwv0GU8CPg==
        -----END CERTIFICATE-----
        """

    /// Signed by the root, no authority.
    static let plain = """
        -----BEGIN CERTIFICATE-----
        MIIBQjCB6qADAgECAgIQBzAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFow
        IzEQMA4GA1UECgwHRXhhbXBsZTEPMA0GA1UEAwwGbm90LWNhMFkwEwYHKoZIzj0C
        AQYIKoZIzj0DAQcDQgAED55Z4mPHvNDllDoQ/XEXkwgzGvYuP+usAIhKrqN8hdlJ
        MFHvjDIZKogDyxLVdHKRdgr6OKbAG+Fqs2+akxJczqMQMA4wDAYDVR0TAQH/BAIw
        ADAKBggqhkjOPQQDAgNHADBEAiAIIXYcS6Mz20gcUXXRcG3eB/Mr+EWJxumBBg9f
        VDfJtAIgZ+e+YV3ezfQeMm2lGhYCgXzk+gz6Z/KgiNwypMZb9sk=
        -----END CERTIFICATE-----
        """

    /// Signed by what is no authority.
    static let child = """
        -----BEGIN CERTIFICATE-----
        MIIBRDCB66ADAgECAgIQCDAKBggqhkjOPQQDAjAjMRAwDgYDVQQKDAdFeGFtcGxl
        MQ8wDQYDVQQDDAZub3QtY2EwHhcNMjUwMTAxMDAwMDAwWhcNMzUwMTAxMDAwMDAw
        WjAiMRAwDgYDVQQKDAdFeGFtcGxlMQ4wDAYDVQQDDAVjaGlsZDBZMBMGByqGSM49
        AgEGCCqGSM49AwEHA0IABKdzkxYXjw2Fipqr9ySdcDoTrGMKmf4YKrcA1I1inLbz
        jpKOs04C0/MOR+0HmeQ58wnGFlbfSgWkX59sO4j5LjSjEDAOMAwGA1UdEwEB/wQC
        MAAwCgYIKoZIzj0EAwIDSAAwRQIgCxK8kvm5dE7FFad2mv/n3egf65osozBseJE5
        QurIcd4CIQDhsAHw3mX/JW/chQVVdYqcuHeyzkfPYY9U73E1b5a8kw==
        -----END CERTIFICATE-----
        """

    /// Signed by the root, with a NUL within its common name.
    static let nul = """
        -----BEGIN CERTIFICATE-----
        MIIBTjCB9qADAgECAgIQCTAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFtcGxl
        MQ0wCwYDVQQDDARSb290MB4XDTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFow
        LzEQMA4GA1UECgwHRXhhbXBsZTEbMBkGA1UEAwwSZ29vZC5leGFtcGxlAC5ldmls
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEp3OTFhePDYWKmqv3JJ1wOhOsYwqZ
        /hgqtwDUjWKctvOOko6zTgLT8w5H7QeZ5DnzCcYWVt9KBaRfn2w7iPkuNKMQMA4w
        DAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNHADBEAiBAP5kR9FVFMDYTkBg+sXMT
        yT7hsFwUifwiOIb0BDwsvAIgdyXvVrBkzlxwKVZWj49UyALqFMgS3kVOrF3e04lQ
        fRE=
        -----END CERTIFICATE-----
        """
}
