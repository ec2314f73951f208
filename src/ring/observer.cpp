#include <memory>
#include <utility>

#include "headrace/error.hpp"
#include "headrace/stats.hpp"
#include "ring/participant.hpp"
#include "ring/rendezvous.hpp"
#include "ring/snapshot.hpp"

namespace headrace {

struct Observer::Impl {
    detail::Attachment attachment;
    // Read-only memory behind it: only the const functions of the protocol are called.
    ring::Protocol protocol;
};

Observer::Observer(std::string_view name, std::string directory, std::chrono::milliseconds patience)
    : impl_(new Impl{
          detail::attach(
              name, {.timeout = std::chrono::milliseconds(0), .directory = std::move(directory)},
              ring::Role::observer, patience),
          {}}) {
    impl_->protocol =
        ring::Protocol(impl_->attachment.mapping.bytes(), impl_->attachment.description);
}

Observer::Observer(Observer&&) noexcept = default;
Observer& Observer::operator=(Observer&&) noexcept = default;
Observer::~Observer() = default;

Stats Observer::snapshot() const {
    const detail::Attachment& attachment = impl_->attachment;
    Stats stats =
        ring::snapshot(impl_->protocol, attachment.description, attachment.mapping.bytes().size());
    if (ring::is_dead(attachment.trainer_pidfd.get()) && stats.phase != Phase::closed) {
        stats.phase = Phase::aborted;
    }
    return stats;
}

}  // namespace headrace
