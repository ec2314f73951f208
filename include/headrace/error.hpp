// What is thrown. Expected outcomes (a time-out, the end of the data) are values, see outcome.hpp;
// everything here names the thing, what was found, what was wanted and, where it helps, what to do.
#pragma once

#include <stdexcept>

#include "headrace/export.hpp"

namespace headrace {

/// Base of everything that Headrace throws.
class HEADRACE_EXPORT Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The caller asked for something that cannot be: a bad option, an unknown field, a length over the
/// capacity. Nothing has changed; call again, corrected.
class HEADRACE_EXPORT UsageError : public Error {
  public:
    using Error::Error;
};

/// The world refused: no memory, no such ring, a ring that exists already, a layout of another
/// version, a system call that failed.
class HEADRACE_EXPORT SystemError : public Error {
  public:
    using Error::Error;
};

/// A device refused or failed: names the device, the operation, the place and the device's own
/// word. A GPU tells of a failure late, at a call that has nothing to do with it.
class HEADRACE_EXPORT DeviceError : public Error {
  public:
    using Error::Error;
};

/// A wait that has no other way to say so (a range-for over an epoch) ran past its time-out.
class HEADRACE_EXPORT TimeoutError : public Error {
  public:
    using Error::Error;
};

/// The data ended because producers died or left and nobody took their place within the linger
/// time. What was published below the first missing record has been delivered before this is
/// thrown; a ring with a sampler can be resumed from there.
class HEADRACE_EXPORT IncompleteError : public Error {
  public:
    using Error::Error;
};

/// The other side is gone: the trainer died, or ended the ring with an error.
class HEADRACE_EXPORT RingAborted : public Error {
  public:
    using Error::Error;
};

}  // namespace headrace
