// Marks what the shared library shows: the library is compiled with everything else hidden.
#pragma once

/// On each public class, and on each public function that is not inline. Exceptions need it most: a
/// program catches one that the library threw by the address or the name of its type.
#define HEADRACE_EXPORT __attribute__((visibility("default")))
