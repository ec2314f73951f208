// How reports name a producer: by what it does, and, where its pid says nothing, by its host.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace::ring {

// Bytes of a host name as it is sent: Linux allows 64, and a zero follows.
inline constexpr std::size_t kHostBytes = 72;

// What this producer is called: `given`, else $HEADRACE_IDENTITY, else the program's name. Never
// empty.
std::string own_identity(const std::string& given);
// The host name of this process's UTS namespace: a container's name or id, most often.
std::string own_host();

// `identity@host` in at most kIdentityBytes - 1 bytes, for a producer in another pid namespace than
// the trainer. What is too long loses the host's domain first, then the identity's end, down to
// twelve bytes, and then the host's beginning: pods and replicas differ at the end. A `~` stands
// where identity or host was cut. Both may be any bytes.
std::string identity_at_host(std::string_view identity, std::string_view host);

}  // namespace headrace::ring
