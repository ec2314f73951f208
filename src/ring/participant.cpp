#include "ring/participant.hpp"

#include <utility>

#include "headrace/error.hpp"
#include "ring/ring_core.hpp"

namespace headrace::detail {

Participant::Participant(Attachment attachment)
    : socket_(std::move(attachment.socket)),
      trainer_pidfd_(std::move(attachment.trainer_pidfd)),
      mapping_(std::move(attachment.mapping)),
      description_(std::move(attachment.description)),
      trainer_(std::move(attachment.trainer)),
      protocol_(mapping_.bytes(), description_),
      me_(attachment.owner) {}

Participant::Participant(std::shared_ptr<RingCore> ring, const std::string& identity,
                         ring::Role role)
    : ring_(std::move(ring)),
      description_(ring_->description()),
      protocol_(ring_->protocol()),
      me_(ring_->enlist(identity, role)) {}

void Participant::look_at_trainer() {
    const ring::Clock::time_point now = ring::Clock::now();
    if (now - trainer_seen_ < ring::kAlarm) return;
    trainer_seen_ = now;
    if (trainer_pidfd_ && ring::is_dead(trainer_pidfd_.get())) {
        throw RingAborted("ring \"" + description_.name + "\": the trainer (" + trainer_ +
                          ") died");
    }
}

void Participant::throw_aborted() const {
    const std::string reason = protocol_.control().abort_reason.load();
    throw RingAborted("ring \"" + description_.name + "\": the trainer ended it with an error" +
                      (reason.empty() ? "" : ": " + reason));
}

void Participant::finish(bool left) noexcept {
    if (std::exchange(finished_, true)) return;
    if (!is_ours()) {
        socket_.reset();  // the parent's copy goes on
        return;
    }
    if (ring_) {
        ring_->discharge(me_, left);
        return;
    }
    const ring::Farewell farewell{ring::kWireMagic,
                                  left ? ring::Farewell::left : ring::Farewell::finished};
    ring::send_message(socket_.get(), std::as_bytes(std::span(&farewell, 1)));
    socket_.reset();
}

}  // namespace headrace::detail
