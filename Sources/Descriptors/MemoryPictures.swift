// Whether the memory may be written down.
import CDescriptors

/// Pictures of the memory, which holds keys and tokens (security row D20).
package enum MemoryPictures {
    /// Forbids core files, and other programs of the same user to look in; false where the system does not let us.
    package static func forbid() -> Bool { descriptors_forbid_dumps() == 0 }
}
