// The consumer: ConsumerCore::wait() and take() by ranges, and Protocol::release(), by the consumer
// itself or, with RELEASER, by another thread, which holds leases. Included by ring.pml.

// Protocol::release() of one index. First the bit, while the word still says LEASED ...
inline clear_hint(index) {
    if
#ifndef MUTANT_CLAIMER_CLEARS
    :: returned & BIT(SLOT(index)) ->
        atomic {
            RULE(STATE(word[SLOT(index)]) == LEASED);
            returned = returned & ~BIT(SLOT(index))
        }
#endif
    :: else
    fi
}

// ... then the word. Part of an atomic block.
inline free_slot(index) {
    RULE(word[SLOT(index)] == WORD(index, LEASED, 0, 0, 0));
    RULE(!(returned & BIT(SLOT(index))) || revoked);
    word[SLOT(index)] = WORD(index + SLOTS, FREE, 0, 0, 0);
    content[SLOT(index)] = 0
}

inline wake_if_worth_it() {
    if
    :: now_released >= space_wanted -> wake_producers()
    :: else
    fi
}

// The rest of it, once for all that were released together.
inline tell_released() {
    atomic { released = released + count; now_released = released; count = 0;
#ifndef MUTANT_WAKE_ONCE
        woke_for_all = false;
#endif
        forget_space_wanted() }
    if
    :: !producers_asleep
    :: producers_asleep ->
#if RELEASER && !defined(MUTANT_RELEASE_BY_WORTH)
        if
        :: wanted != NOBODY -> wake_producers()
        :: wanted == NOBODY -> wake_if_worth_it()
        fi
#else
        wake_if_worth_it()  // whoever releases does not sleep
#endif
    fi
}

// What is released next, or the next range. Part of an atomic block.
inline choose_group() {
    if
    :: gaps == 0 -> gaps = records; records = 0
    :: else
    fi;
    index = first + LOWEST(gaps);
    if
    :: gaps != 0 -> goto release
    :: else
    fi;
    first = last; index = first;
    last = (first + RANGE < END -> first + RANGE : END);
    if
    :: first < END -> goto look
    :: else -> goto done
    fi
}

active proctype Consumer() {
    short w;
    byte first, last = RANGE;  // the range
    byte index;
    byte gaps, records;        // what was taken, a bit a place of the range
    byte count;                // of what is released together
    byte now_released;
#if RANGE > 1
    byte sought;
#define SOUGHT sought
#else
#define SOUGHT index
#endif
#ifdef MUTANT_PHASE_COMPARED
    bool was_draining;
#endif

look:  // ConsumerCore::wait(): everything below `index` is settled
    atomic {
        if
        :: IS_SETTLED(index) -> index++;
            if
            :: index == last -> index = first; goto take
            :: else -> goto look
            fi
        :: else
        fi
    }
#ifdef DRAINS
    if
    :: !draining -> goto choose
    :: draining
    fi;
again:  // look_at_phase(): settled was looked at before the phase, so once more
    atomic {
        if
        :: IS_SETTLED(index) -> index++;
            if
            :: index == last -> index = first; goto take
            :: else -> goto again
            fi
        :: else ->
            if
            :: index > first -> last = index; index = first; goto take
            :: else -> goto done
            fi
        fi
    }
choose:
#endif
    // Protocol::sleep_as_consumer(), for the last one of the range that is missing.
#if RANGE > 1
    atomic {
        if
        :: index + 1 < last && !IS_SETTLED(last - 1) -> sought = last - 1
        :: else -> sought = index
        fi
    }
#endif
    ready_quiet = true;
#ifdef MUTANT_PHASE_COMPARED
    was_draining = draining;  // later than wait() looked: a change in between goes unseen
#endif
    wanted = SOUGHT;
#ifndef MUTANT_NO_CONSUMER_RECHECK
    if
    :: IS_SETTLED(SOUGHT) -> goto awake
    :: else
    fi;
#endif
#ifdef MUTANT_PHASE_COMPARED
    if
    :: draining != was_draining -> goto awake
    :: else
    fi;
#elif defined(DRAINS)
    if
    :: draining -> goto awake  // wait() sleeps in an open ring only
    :: else
    fi;
#endif
#ifndef MUTANT_NO_WAKE_BEFORE_SLEEP
    atomic {  // once for all that has been released
        if
        :: woke_for_all -> goto asleep
        :: else -> woke_for_all = true
        fi
    };
    wake_producers();
asleep:
#endif
    atomic {
        if
        :: ready_quiet -> consumer_dozes = true
        :: else
        fi
    }
awake:
    atomic { !consumer_dozes -> wanted = NOBODY; ready_quiet = false; goto look }

take:  // Protocol::take(): load, then swap
    atomic {
        w = word[SLOT(index)];
        assert(IS_SETTLED(index))
    }
    atomic {
        assert(word[SLOT(index)] == w);  // settled is for good
        word[SLOT(index)] = WORD(index, LEASED, 0, 0, 0);
        assert(!((delivered | holes) & BIT(index)));
        if
        :: STATE(w) == READY ->
            assert(content[SLOT(index)] == WITH(w, WRITING) || revoked);
            delivered = delivered | BIT(index);
            records = records | BIT(index - first)
        :: else ->
            assert(skips > 0 || ATTEMPTS(w) + 1 == MAX_ATTEMPTS || LOSES);
            holes = holes | BIT(index);
            gaps = gaps | BIT(index - first)
        fi;
        w = 0;
        index++;
        if
        :: index < last -> goto take
        :: else
        fi;
#if RELEASER
        if
        :: records & 1 -> lent = lent | BIT(SLOT(first))
        :: else
        fi;
        if
        :: records & 2 -> lent = lent | BIT(SLOT(first + 1))
        :: else
        fi;
        records = 0;
#endif
        choose_group()
    }

release:  // the holes together, then the records
    clear_hint(index);
    atomic {
        free_slot(index);
        count++;
        gaps = gaps & ~BIT(index - first);
        index = first + LOWEST(gaps);
        if
        :: gaps != 0 -> goto release
        :: else
        fi
    }
    tell_released();
    atomic { now_released = 0; choose_group() }
done:
    consumer_done = true
}

#if RELEASER
// Whoever holds leases gives them back in any order, at any time.
active proctype Releaser() {
    byte index, now_released, count;
end_idle:
    atomic {
        if
        :: lent & 1 -> index = INDEX(word[0]); lent = lent & ~1
        :: lent & 2 -> index = INDEX(word[1]); lent = lent & ~2
        :: lent & 4 -> index = INDEX(word[2]); lent = lent & ~4
        fi;
        now_released = 0
    }
    clear_hint(index);
    atomic { free_slot(index); index = 0; count = 1 }
    tell_released();
    goto end_idle
}
#endif
