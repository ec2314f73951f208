// Headers put right, so that their marks and hash keep no input out.
#pragma once

#include <cstdint>
#include <string>

#include "ring/layout.hpp"

namespace headrace::fuzz {

// Mark, byte order, version, and last the hash over the rest.
void put_identity_right(ring::Header& header);

// Offsets and sizes of the fields that the header tells of; nothing where there are none that could
// be laid out in `most_bytes`.
void put_geometry_right(ring::Header& header, std::uint64_t most_bytes);

std::string name_in(const ring::Header& header);

}  // namespace headrace::fuzz
