#include "process_group.hpp"

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef DISTRIBUTED_HAS_NCCL
#    include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/error.hpp"

namespace distributed {
namespace {

// Gloo and NCCL have no common base class in all versions of LibTorch, but the same calls.
template <class Native>
class NativeGroup final : public ProcessGroup {
  public:
    explicit NativeGroup(c10::intrusive_ptr<Native> native) : native_(std::move(native)) {}
    void sum(at::Tensor& values) override {
        std::vector<at::Tensor> list{values};
        native_->allreduce(list)->wait();
    }
    void broadcast(at::Tensor& values) override {
        std::vector<at::Tensor> list{values};
        native_->broadcast(list)->wait();
    }

  private:
    c10::intrusive_ptr<Native> native_;
};

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::uint16_t port_in(const std::string& text) {
    std::uint16_t port = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, port);
    if (error == std::errc{} && end == last && port != 0) return port;
    throw headrace::UsageError("MASTER_PORT is \"" + text + "\", wanted a number from 1 to 65535");
}

// torchrun's agent keeps a store there already; started by hand, rank 0 keeps it.
c10::intrusive_ptr<c10d::Store> tcp_store(const headrace::Rank& rank, const std::string& address,
                                          const std::string& port) {
    const bool has_agent = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
    c10d::TCPStoreOptions options;
    options.port = port_in(port);
    options.isServer = rank.rank == 0 && !has_agent;
    options.numWorkers = rank.world_size;
    auto store = c10::make_intrusive<c10d::TCPStore>(address, options);
    // A restarted run must not read what the one before has left there.
    return c10::make_intrusive<c10d::PrefixStore>(
        "headrace/" + variable("TORCHELASTIC_RESTART_COUNT"), store);
}

c10::intrusive_ptr<c10d::Store> find_store(const headrace::Rank& rank, std::string file) {
    if (rank.world_size == 1) return c10::make_intrusive<c10d::HashStore>();
    const std::string address = variable("MASTER_ADDR");
    const std::string port = variable("MASTER_PORT");
    if (file.empty() && !address.empty() && !port.empty()) return tcp_store(rank, address, port);
    if (file.empty() && address.empty() != port.empty()) {
        throw headrace::UsageError(
            std::string("rendezvous: ") + (port.empty() ? "MASTER_ADDR" : "MASTER_PORT") +
            " is set without " + (port.empty() ? "MASTER_PORT" : "MASTER_ADDR") +
            ", wanted both or neither");
    }
    // On several machines each has a folder of its own, and the ranks would wait for one another.
    const bool is_one_machine =
        variable("OMPI_COMM_WORLD_LOCAL_SIZE") == std::to_string(rank.world_size);
    const std::string job = variable("PMIX_SERVER_TMPDIR");
    if (file.empty() && !job.empty() && is_one_machine) file = job + "/headrace-store";
    if (file.empty()) {
        throw headrace::UsageError(
            "rendezvous: found neither MASTER_ADDR and MASTER_PORT nor a job of mpirun's on this "
            "machine alone, wanted one of them or --store FILE, for " +
            std::to_string(rank.world_size) + " ranks have to find each other");
    }
    return c10::make_intrusive<c10d::FileStore>(file, static_cast<int>(rank.world_size));
}

// Gloo asks the host's name for its address, which need not resolve: where nothing else was asked
// for, ranks of one machine talk over the loopback.
std::shared_ptr<gloo::transport::Device> gloo_device() {
    if (!variable("GLOO_SOCKET_IFNAME").empty()) {
        return c10d::ProcessGroupGloo::createDeviceForInterface(variable("GLOO_SOCKET_IFNAME"));
    }
    const std::string master = variable("MASTER_ADDR");
    const bool is_here = master.empty() || master == "localhost" || master == "127.0.0.1";
    return is_here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                   : c10d::ProcessGroupGloo::createDefaultDevice();
}

}  // namespace

bool has_nccl() noexcept {
#ifdef DISTRIBUTED_HAS_NCCL
    return true;
#else
    return false;
#endif
}

std::unique_ptr<ProcessGroup> join(const headrace::Rank& rank, const headrace::Device& device,
                                   const std::string& store_file) {
    const auto number = static_cast<int>(rank.rank);
    const auto size = static_cast<int>(rank.world_size);
    auto store = find_store(rank, store_file);
    if (device.cuda_ordinal()) {
#ifdef DISTRIBUTED_HAS_NCCL
        return std::make_unique<NativeGroup<c10d::ProcessGroupNCCL>>(
            c10::make_intrusive<c10d::ProcessGroupNCCL>(store, number, size));
#else
        throw headrace::UsageError("device " + device.name() +
                                   ": this build has no NCCL, which ranks on GPUs need; build it "
                                   "against a LibTorch with CUDA, or choose --device host");
#endif
    }
    auto options = c10d::ProcessGroupGloo::Options::create();
    options->devices.push_back(gloo_device());
    return std::make_unique<NativeGroup<c10d::ProcessGroupGloo>>(
        c10::make_intrusive<c10d::ProcessGroupGloo>(store, number, size, options));
}

}  // namespace distributed
