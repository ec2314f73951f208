// `headrace stat`: what a running ring is doing.
#pragma once

#include "cli/command_line.hpp"

namespace headrace::cli {

/// Writes to standard output; with --watch until the ring ends or Ctrl-C is pressed, both an
/// ordinary end. Returns the exit status. Throws SystemError when there is no such ring.
int stat(const StatOptions& options);

}  // namespace headrace::cli
