// The ring's protocol over the scheduler. Its definitions are instantiated in one place.
#pragma once

#include "ring/protocol.hpp"
#include "schedule/scheduled_platform.hpp"

namespace headrace::ring {

extern template class BasicProtocol<schedule::ScheduledPlatform>;

namespace schedule {

using ScheduledProtocol = BasicProtocol<ScheduledPlatform>;

// The memory is the same one, byte by byte.
static_assert(sizeof(Atomic<std::uint64_t>) == 8 && alignof(Atomic<std::uint64_t>) == 8);
static_assert(sizeof(Atomic<std::uint32_t>) == 4 && alignof(Atomic<std::uint32_t>) == 4);
static_assert(sizeof(BasicControl<ScheduledPlatform>) == sizeof(Control));
static_assert(alignof(BasicControl<ScheduledPlatform>) == alignof(Control));
static_assert(sizeof(BasicSlotDescriptor<ScheduledPlatform>) == sizeof(SlotDescriptor));

}  // namespace schedule

}  // namespace headrace::ring
