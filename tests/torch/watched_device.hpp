// A device for tests of what is told to streams.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "device/backend.hpp"
#include "headrace/error.hpp"

namespace headrace {

// The host, with streams that do at once what is enqueued, and a list of the events that were
// recorded on them.
class WatchedDevice final : public device::Backend {
  public:
    std::vector<const void*> recorded() const {
        const std::lock_guard lock(mutex_);
        return recorded_;
    }
    void forget() {
        const std::lock_guard lock(mutex_);
        recorded_.clear();
    }
    void shut_down() {
        const std::lock_guard lock(mutex_);
        is_shut_down_ = true;
    }

    std::string name() const override { return "watched"; }
    bool has_streams() const noexcept override { return true; }
    std::unique_ptr<device::Registration> register_host(std::span<std::byte>) override {
        return nullptr;
    }
    std::unique_ptr<device::Buffer> allocate(std::size_t bytes) override {
        return host_->allocate(bytes);
    }
    std::unique_ptr<device::Buffer> allocate_host(std::size_t bytes) override {
        return host_->allocate_host(bytes);
    }
    std::unique_ptr<device::Event> make_event() override {
        expect_alive();
        return host_->make_event();
    }
    std::unique_ptr<device::CopyStream> make_copy_stream(
        const device::CopyForm& form, device::Registration* registration) override {
        return host_->make_copy_stream(form, registration);
    }
    void synchronize(device::Event&) override { expect_alive(); }
    bool is_complete(device::Event&) override { return true; }
    void record(device::Event&, StreamRef stream) override {
        expect_alive();
        const std::lock_guard lock(mutex_);
        recorded_.push_back(stream.native);
    }
    void wait(StreamRef, device::Event&) override {}
    std::size_t strip_alignment() const noexcept override { return host_->strip_alignment(); }
    void strip(const device::StripPlan& plan, StreamRef stream) override {
        host_->strip(plan, stream);
    }
    std::optional<double> seconds_between(device::Event&, device::Event&) override {
        return std::nullopt;
    }
    void begin_stage(const char*) noexcept override {}
    void end_stage() noexcept override {}

  private:
    void expect_alive() const {
        const std::lock_guard lock(mutex_);
        if (is_shut_down_) throw DeviceError("device watched: it has been shut down");
    }
    std::shared_ptr<device::Backend> host_ = device::make_host_backend();
    mutable std::mutex mutex_;
    std::vector<const void*> recorded_;
    bool is_shut_down_ = false;
};

}  // namespace headrace
