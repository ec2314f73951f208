#include "ring/protocol.hpp"

#include "ring/protocol_memory.hpp"

namespace headrace::ring {

template class BasicProtocol<SystemPlatform>;

}  // namespace headrace::ring
