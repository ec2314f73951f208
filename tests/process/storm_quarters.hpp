// Where the processes of a round run: on one processor, in a control group that can be frozen, or
// in one with little memory. Everything is as before when this is destroyed.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "process/storm_plan.hpp"

namespace headrace::process_storm {

class Quarters {
  public:
    // Brings the calling thread's process and `nursery`, whose children follow, to the plan's
    // place, and names in the plan what is there. `why_not()` tells why that cannot be.
    Quarters(Plan& plan, pid_t nursery);
    ~Quarters();
    Quarters(const Quarters&) = delete;
    Quarters& operator=(const Quarters&) = delete;

    const std::string& why_not() const noexcept { return why_not_; }
    // The ring's memory has been taken: from here on there is little more.
    void tighten(const Plan& plan);

  private:
    // A kind of control groups: where they lie, and which of them this process is in.
    struct Hierarchy {
        std::filesystem::path mount, own;
        bool is_version_2 = false;
    };
    static std::vector<Hierarchy> hierarchies(const std::string& controller);
    void make_group(const std::string& controller, const std::string& file_v1,
                    const std::string& file_v2);
    void enter_one_cpu();
    void enter_group();

    const pid_t nursery_;
    std::string why_not_;
    cpu_set_t cpus_{};
    bool is_bound_ = false;
    std::filesystem::path group_, home_;  // the group that was made, and where we came from
    std::string limit_file_, usage_file_, dispensability_;
    bool is_inside_ = false, is_exempt_ = false;
};

}  // namespace headrace::process_storm
