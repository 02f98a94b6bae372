// The checks on tokens, keys and proofs.

import CryptographyChecks
import FuzzRunner
import JOSEChecks

Fuzzer.run([
    "json": { try ObjectTextCheck.run($0) },
    "token": { try TokenCheck.run($0) },
    "keys": { try KeySetCheck.run($0) },
    "claims": { try ClaimsCheck.run($0) },
    "proof": { try ProofCheck.run($0) },
    "certificate": { try CertificateCheck.run($0) },
])
