// What a producer of this process and release says when it comes to a ring, for tests that change
// some of it.
#pragma once

#include <unistd.h>

#include <cstdint>

#include "ring/rendezvous.hpp"

namespace headrace {

inline ring::Hello proper_hello() {
    ring::Hello hello{};
    hello.magic = ring::kWireMagic;
    hello.version = ring::kWireVersion;
    hello.layout_version = ring::kLayoutVersion;
    hello.role = static_cast<std::uint32_t>(ring::Role::producer);
    hello.pid = getpid();
    return hello;
}

}  // namespace headrace
