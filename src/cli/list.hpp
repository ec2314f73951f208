// `headrace list`: the rings of a folder, each in a line.
#pragma once

#include "cli/command_line.hpp"

namespace headrace::cli {

/// Attaches to every ring in the folder at the same time, as an observer, and prints a table. One
/// that does not answer within two seconds, or refuses, is listed with the reason; a socket that
/// nobody listens on is none. Makes no folder. 0: a ring answered that is not aborted. 1, and says
/// so: none did.
int list(const ListOptions& options);

}  // namespace headrace::cli
