// The process that producers of a storm are children of. It has one thread and little memory, so a
// fork is cheap; it alone kills, stops and continues them, so a pid is never somebody else's by
// then; and what it does follows from the seed, but for the kernel's scheduling.
#pragma once

#include <sys/types.h>

#include <memory>

#include "process/storm_board.hpp"
#include "process/storm_plan.hpp"

namespace headrace::process_storm {

class Nursery {
  public:
    // Forks; to be called while this process has one thread.
    explicit Nursery(std::shared_ptr<Board> board);
    // Ends the process, and all of its children with it.
    ~Nursery();
    Nursery(const Nursery&) = delete;
    Nursery& operator=(const Nursery&) = delete;

    // Producers come and go until the ring ends or the board says that it is over. Returns at once.
    void begin(const Plan& plan);
    // Waits until no child is left. Throws std::runtime_error when the nursery is gone.
    void wait();

    pid_t pid() const noexcept { return pid_; }

  private:
    std::shared_ptr<Board> board_;
    pid_t pid_ = -1;
    int socket_ = -1;
};

}  // namespace headrace::process_storm
