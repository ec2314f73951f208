#include "process/storm_quarters.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace headrace::process_storm {

namespace fs = std::filesystem;

namespace {

bool put(const fs::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
}

// Whom the kernel is to kill last, or first, when a group is out of memory.
constexpr const char* kDispensability = "/proc/self/oom_score_adj";

constexpr const char* kNeverKilled = "-1000";

bool has_word(const std::string& words, const std::string& word) {
    return (',' + words + ',').find(',' + word + ',') != std::string::npos;
}

}  // namespace

// Version 2 knows no controllers here: which of them a group has is seen when it is made.
std::vector<Quarters::Hierarchy> Quarters::hierarchies(const std::string& controller) {
    std::vector<Hierarchy> found;
    std::ifstream mounts("/proc/self/mounts");
    std::string line;
    while (std::getline(mounts, line)) {
        std::istringstream words(line);
        std::string device, mount, type, options;
        words >> device >> mount >> type >> options;
        if (type == "cgroup2") found.push_back({mount, mount, true});
        if (type == "cgroup" && has_word(options, controller)) {
            found.push_back({mount, mount, false});
        }
    }
    std::ifstream groups("/proc/self/cgroup");
    while (std::getline(groups, line)) {  // hierarchy:controllers:path
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        for (Hierarchy& hierarchy : found) {
            const bool is_it =
                hierarchy.is_version_2 ? controllers.empty() : has_word(controllers, controller);
            if (is_it)
                hierarchy.own = hierarchy.mount / fs::path(line.substr(second + 1)).relative_path();
        }
    }
    return found;
}

// Below our own group or, where that cannot be, below the topmost.
void Quarters::make_group(const std::string& controller, const std::string& file_v1,
                          const std::string& file_v2) {
    why_not_ = "no control groups of version 2 are mounted" +
               std::string(file_v1.empty() ? "" : ", nor of version 1 with " + controller);
    for (const Hierarchy& hierarchy : hierarchies(controller)) {
        const std::string& file = hierarchy.is_version_2 ? file_v2 : file_v1;
        if (file.empty()) continue;
        for (const fs::path& parent : {hierarchy.own, hierarchy.mount}) {
            const fs::path group = parent / ("headrace-storm-" + std::to_string(getpid()));
            std::error_code error;
            if (!fs::create_directory(group, error)) {
                why_not_ = "no control group may be made in " + parent.string() + ": " +
                           (error ? error.message() : "it is there");
                continue;
            }
            if (access((group / file).c_str(), W_OK) == 0) {
                why_not_.clear();
                group_ = group;
                home_ = hierarchy.own;
                limit_file_ = file;
                usage_file_ = hierarchy.is_version_2 ? "memory.current" : "memory.usage_in_bytes";
                return;
            }
            fs::remove(group, error);
            why_not_ = "control groups in " + parent.string() + " have no " + file;
        }
    }
}

Quarters::Quarters(Plan& plan, pid_t nursery) : nursery_(nursery) {
    switch (plan.place) {
        case Place::ordinary: break;
        case Place::one_cpu: enter_one_cpu(); break;
        case Place::frozen: make_group("freezer", "", "cgroup.freeze"); break;
        case Place::tight_memory:
            make_group("memory", "memory.limit_in_bytes", "memory.max");
            if (why_not_.empty()) enter_group();
            break;
    }
    const std::string path = group_.string();
    if (path.size() >= plan.group.size()) why_not_ = path + " is too long a path";
    if (why_not_.empty()) std::copy(path.begin(), path.end(), plan.group.begin());
}

void Quarters::enter_one_cpu() {
    if (sched_getaffinity(0, sizeof cpus_, &cpus_) != 0) {
        why_not_ = "the processors of this process are not known";
        return;
    }
    std::size_t last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &cpus_)) --last;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    is_bound_ = true;
    if (sched_setaffinity(0, sizeof one, &one) != 0 ||
        sched_setaffinity(nursery_, sizeof one, &one) != 0) {
        why_not_ = "a process may not be bound to a processor";
    }
}

void Quarters::enter_group() {
    is_inside_ = true;
    if (!put(group_ / "cgroup.procs", std::to_string(getpid()))) {
        why_not_ = "this process may not enter " + group_.string();
        return;
    }
    // The kernel kills the largest of the group when its memory is gone, and that would be us.
    std::ifstream(kDispensability) >> dispensability_;
    is_exempt_ = put(kDispensability, kNeverKilled);
}

void Quarters::tighten(const Plan& plan) {
    if (plan.place != Place::tight_memory) return;
    // The ring's memory stays where it was taken. Who may not be exempt goes out now; producers
    // go in.
    if (!is_exempt_) put(home_ / "cgroup.procs", std::to_string(getpid()));
    std::uint64_t used = 0;
    std::ifstream(group_ / usage_file_) >> used;
    if (!put(group_ / limit_file_, std::to_string(used + plan.spare_bytes))) {
        throw std::runtime_error("no limit can be set in " + group_.string());
    }
}

Quarters::~Quarters() {
    if (is_bound_) {
        sched_setaffinity(0, sizeof cpus_, &cpus_);
        sched_setaffinity(nursery_, sizeof cpus_, &cpus_);
    }
    if (is_inside_) {
        if (is_exempt_) put(kDispensability, dispensability_);
        put(home_ / "cgroup.procs", std::to_string(getpid()));
    }
    // What died in it may take the kernel a moment.
    std::error_code error;
    for (int tries = 0; !group_.empty() && tries < 2000; ++tries) {
        if (fs::remove(group_, error) || !fs::exists(group_)) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace headrace::process_storm
