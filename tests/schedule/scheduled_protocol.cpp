#include "schedule/scheduled_protocol.hpp"

#include "ring/protocol_memory.hpp"

namespace headrace::ring {

template class BasicProtocol<schedule::ScheduledPlatform>;

}  // namespace headrace::ring
