// Certificates with their keys for tests, made with Python's cryptography; each signed by itself, valid from 2025 to 2035.

@testable import Proxy

/// What a server may show; nobody vouches for any of it.
enum WrittenPairs {
    /// On an elliptic curve.
    static let one = CertificatePair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBCTCBr6ADAgECAgEHMAoGCCqGSM49BAMCMA4xDDAKBgNVBAMMA29uZTAeFw0y
            NTAxMDEwMDAwMDBaFw0zNTAxMDEwMDAwMDBaMA4xDDAKBgNVBAMMA29uZTBZMBMG
            ByqGSM49AgEGCCqGSM49AwEHA0IABPjpZNL3Kyn8z6HyptxwykbXOgDHClAHy9AB
            UyMDM3UFU3C2g7ArEhY6SAnTO2rgczEwIrZhyBy17OS16iHViKUwCgYIKoZIzj0E
            AwIDSQAwRgIhAPyYR0YUArZUKkrWIDwbVpFsgcuVOjHlMql9HyKoXhzPAiEAxMTs
            3V+ZMBnnyyd0joxQlMIklbn6Qr5JA1hO0eKeB6A=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf2LwEmKh075CN5br
            ruI6BZCuGM9+6u5Q1Ne1S3gvhSmhRANCAAT46WTS9ysp/M+h8qbccMpG1zoAxwpQ
            B8vQAVMjAzN1BVNwtoOwKxIWOkgJ0ztq4HMxMCK2Ycgctezkteoh1Yil
            -----END PRIVATE KEY-----
            """
    )

    /// Another on an elliptic curve.
    static let other = CertificatePair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBDDCBs6ADAgECAgEHMAoGCCqGSM49BAMCMBAxDjAMBgNVBAMMBW90aGVyMB4X
            DTI1MDEwMTAwMDAwMFoXDTM1MDEwMTAwMDAwMFowEDEOMAwGA1UEAwwFb3RoZXIw
            WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS3u0ftbPY70kcG+o+q8qNznSKZeLyB
            0NDWInumPxGViq8DGnOOsR+yt8JdAPWI9YNGKcAI0RnEmGp/yeJttUukMAoGCCqG
            SM49BAMCA0gAMEUCIBp3F7+MXPpXKfUDHL6ueuOlNk0VsfmES8HMNtoN3WbvAiEA
            z9a3zRTz0yAE7cPwuGt6xJsixzh2N4e56+CymkB4ye0=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6FkpPb45iQGuCA7c
            nOOoK39+cHpg4WyQ5VYJVj2LqhOhRANCAAS3u0ftbPY70kcG+o+q8qNznSKZeLyB
            0NDWInumPxGViq8DGnOOsR+yt8JdAPWI9YNGKcAI0RnEmGp/yeJttUuk
            -----END PRIVATE KEY-----
            """
    )

    /// RSA.
    static let rsa = CertificatePair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIClTCCAX2gAwIBAgIBBzANBgkqhkiG9w0BAQsFADAOMQwwCgYDVQQDDANyc2Ew
            HhcNMjUwMTAxMDAwMDAwWhcNMzUwMTAxMDAwMDAwWjAOMQwwCgYDVQQDDANyc2Ew
            ggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCqNObPbwbuLYRtBRihIWp2
            k1yzQsQaG0JK6opdDy3ZDAQcgQpMZG58i1ryJ6pQqlSZSxt0KyHQLs6PudDF91Em
            Tnlvhlsr5eyypg+/gZojbWByVDmkHPZrgwEMbTIRH4AZ14UyplqOKWdaxw8dxIOn
            zuFAsCi0NQgUiyUBJXYpOIc8qkfKu7Vii5S/Te7CSQafGnL80UUZrS134ykUwsrE
            BuW6l7mh0ifi2+tYhdbYo3eWb9ztO2oZvGUOELjkncDyEA4G5YFnrglBz6Inid2V
            C2tw2ClkfJ9aD5gtVO/JUEeWc7l4oG8lWoQkZUv+d4TRx6ZavHECqG984DbvI4K7
            AgMBAAEwDQYJKoZIhvcNAQELBQADggEBAEUo9ywYx15z/4c/gjb0zbAt9N7ul1Vz
            7SFyDKLA6CYDa8pvtQR9nNX7+4T7F3izJYieQUcCa1SyDmx0+QH3KdfQhPBKj4nU
            1WkDDJOuTCvPwSv41RKgzPOnhXq6wrLx4QLHNth72bRcM9Kc1XAIlIwv2/mKSIfG
            65OO8N9sse3hOd9gkXg24/6kNPSVfJ6thLn/sqm1hq9ORjJ9mYBraDaOsx82dHAc
            TWg9qTCKBnx0e1GTmasGczlq3LXXs9kW/9IUX/guC2/YiXhtQVZe+cFVQmtSRaaP
            Qyn6/C5z7Kp1ByNGE1kDvWnYOMYhuGgeJTy5ogKp3cuCPaL/T1PEjb4=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCqNObPbwbuLYRt
            BRihIWp2k1yzQsQaG0JK6opdDy3ZDAQcgQpMZG58i1ryJ6pQqlSZSxt0KyHQLs6P
            udDF91EmTnlvhlsr5eyypg+/gZojbWByVDmkHPZrgwEMbTIRH4AZ14UyplqOKWda
            xw8dxIOnzuFAsCi0NQgUiyUBJXYpOIc8qkfKu7Vii5S/Te7CSQafGnL80UUZrS13
            4ykUwsrEBuW6l7mh0ifi2+tYhdbYo3eWb9ztO2oZvGUOELjkncDyEA4G5YFnrglB
            z6Inid2VC2tw2ClkfJ9aD5gtVO/JUEeWc7l4oG8lWoQkZUv+d4TRx6ZavHECqG98
            4DbvI4K7AgMBAAECggEAFR2kBtcE2paeB7JqqE7PeO92QC0HzB9WnZm0WbAw5Wz2
            s5yUrP6GsH/PZBxkpkZDYZMuUD6rnrq32J/aVT0F/cUdjqbx96O6Nj2g1YbcGwoO
            PZDSZ9hJ//OMNUD0xagNSedxeGOn91wOnPX2G6DOHortaguQuS6dFoNer2I44wsS
            ylCjeOAxkfG9gBfs+lZy6zVo0v136tGXL9ixITqQp572utqc5n2i2rPdRfzU5psa
            BjzkYqC+nsJf+VhQ2haxv9YcvQSnhCXdMPbi6HJl85LfAoW89CyBg3RhY7MaAKfp
            rXlNuAoj49x26OT7j0mF3pTGXFBKO4Q0E70Bxn72pQKBgQDjyLaabFxBraFadWOa
            n9EM7M1M1YXpaduAox2FUW1K9FIm42mrFhndJKNbIAYG0QRxoTbcbE7UBceFYbXs
            8hr6awdxQZBsQpCqgRxhp7oh/qa+ce/HBt+Z4n1xXW5OFawKls46XUEfeGbZtqjk
            k3+fFK4hueb1IOIXOENlXFFilwKBgQC/SlhIbEDNO98dX6y9MkbxaR3fB2e69J3V
            JsQxK7yW3ohKmTxD0UWrsdcE8gOCBjRHxPz4JLJMEbCOgpxAKqJEWJh4pt9ms2/a
            kAUSxULBdeeoDkPqd+PYFKjnyiOhUNcH8piQtnaAz176gMHSMgXLMT+WQgIJIsvS
            Cx2lDTt5fQKBgQCMVwt6VSz6Ijn5e73kdHbeWb+biSq6RshAlz8G9sY5mhJLd22R
            RUqmH36uFCriZEEyqTsdz3U52F23Zh4qYHgStYKeWuDacqCjDG0qFabubvDZAWXT
            3/4/13WmNQRTA7M9yvBAsVgARbRIiuu/+Mh2gM1QZjNP7/ScjcOoXZqe/QKBgCdG
            jHnSQDvjXxwY2M6/0/EdNBTm4FVyhDWPkBjIciBH8JPggo8qGLP3/730MuQvgex6
            dbY9Up5rw2R/TLWgC1EdH7EmEhh0HzMw/tmrxtkR7E6FH0y08QMcutFcn5QvlPb8
            yHZuAEbSTR4B8cnGm4nswrGHPAPEMTUfMycAYIXBAoGBANa9KwjhGSVPB3PBqoa3
            FHyDGu2hVeoc+qFJH0hIu8d+ob+tV5bxmLZW7Zvi7HZMJ9+Mh+jDqsdSjGiMh/Nc
            Yjp1VKOugx0QgvZAGN6+OK6XSD4jyj9u1aN34GjCMiaXbO0afWYa3wfuwFALP0iB
            Hc+3FBAyWloFxSQ9HY4VBm+3
            -----END PRIVATE KEY-----
            """
    )
}
