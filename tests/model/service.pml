// The trainer's service thread (service.cpp, membership.cpp): it reaps whoever is proven dead or
// has said farewell, wakes everybody then, and ends the ring when nobody is left. Included by
// ring.pml.

#ifdef STREAM
#define GONE (dead | finished)
#define IS_LOST(word) (ATTEMPTS(word) + 1 >= MAX_ATTEMPTS || (dead & BIT(who - 1)))
#else
#define GONE dead  // whoever is at the end stays attached: its farewell would wake everybody
#define IS_LOST(word) (ATTEMPTS(word) + 1 >= MAX_ATTEMPTS)
#endif

// Part of an atomic block.
inline next_slot() {
    w = 0; place++;
    if
    :: place < SLOTS -> goto at_slot
    :: else -> place = 0; goto reaped
    fi
}

#define IS_FIRST_WRITING(slot) (STATE(word[slot]) == WRITING && OWNER(word[slot]) == 1)

active proctype Service() {
    byte who;      // Owner::id
    byte age;      // Owner::incarnation
    short w;
    byte place;    // a slot
#ifdef DRAINS
    byte index, top;
#endif

end_idle:
    atomic {
        if
        :: GONE & ~seen_off -> who = LOWEST(GONE & ~seen_off) + 1
#if REVOKES
        // A proof that is wrong, once: producer 0 lives and goes on with what it has. The reaping
        // is one step, for it is what comes after that is asked about; and no book is kept of
        // bytes, which are nobody's for sure.
        :: !revoked && ANY_SLOT(IS_FIRST_WRITING) ->
            revoked = true;
            place = (IS_FIRST_WRITING(0) -> 0 : 1);
            revoked_word = word[place];
            returned = returned | BIT(place);
            word[place] = WORD(INDEX(revoked_word), FREE, 0, 0, 1);
            content[0] = 0; content[1] = 0; place = 0;
            news = EVERY & ~finished; still = 0;
            producers_asleep = false; space_quiet = 0; dozing = 0;
            ready_quiet = false; consumer_dozes = false;
            goto end_idle
#endif
        fi;
        age = incarnation[who - 1]
    }

at_slot:  // Protocol::reap()
    atomic {
        w = word[place];
        if
        :: STATE(w) == WRITING && OWNER(w) == who && INCARNATION(w) == age ->
            if
            :: IS_LOST(w) -> goto lose
            :: else -> goto bring_back
            fi
        :: else -> next_slot()
        fi
    }
lose:  // Protocol::skip()
    atomic {
        if
        :: word[place] == w -> word[place] = WITH(w, HOLE)
        :: else -> next_slot()
        fi
    }
    after_settling(INDEX(w));
    atomic { next_slot() }
bring_back:  // Protocol::give_back()
#ifndef MUTANT_BIT_AFTER_WORD
    returned = returned | BIT(place);
#endif
    atomic {
        if
        :: word[place] == w ->
            RULE(returned & BIT(place));
            word[place] = WORD(INDEX(w), FREE, 0, 0, ATTEMPTS(w) + 1)
        :: else -> next_slot()
        fi
    }
#ifdef MUTANT_BIT_AFTER_WORD
    returned = returned | BIT(place);
#endif
    bump_returns();
    wake_producers();
    atomic { next_slot() }

reaped:
#ifndef MUTANT_NO_WAKE_ON_DEATH
    bump_returns();
    wake_everybody();
#endif
    atomic {
        seen_off = seen_off | (GONE & BIT(who - 1));
        who = 0; age = 0;
        if
        :: seen_off == EVERY && !draining
        :: else -> goto end_idle
        fi
    }
#ifdef DRAINS
    // Service::end_if_nobody_is_left(), after the linger time
    index = FIRST_OF_LAST_LAP;
all_settled:
    atomic {
        if
        :: IS_ENDLESS -> index = 0
        :: !IS_ENDLESS && index == END -> index = 0; goto end_idle
        :: !IS_ENDLESS && index < END && IS_PAST(index) -> index++; goto all_settled
        :: else -> index = 0
        fi
    }
#if BURIES
    // Service::drain(), Protocol::bury_returned(): the true tail first
    top = tail;
find_top:
    atomic {
        w = word[SLOT(top)];
        if
        :: index == SLOTS || top >= END || INDEX(w) < top ||
                (INDEX(w) == top && STATE(w) == FREE) ->
            w = 0; index = (top > SLOTS -> top - SLOTS : 0); goto bury
        :: else -> w = 0; index++; top++; goto find_top
        fi
    }
bury:
    atomic {
        if
        :: index == top -> index = 0; top = 0; goto drain
        :: else -> w = word[SLOT(index)]
        fi;
        if
        :: INDEX(w) == index && STATE(w) == FREE
        :: else -> w = 0; index++; goto bury
        fi
    }
    atomic { word[SLOT(index)] == w -> word[SLOT(index)] = WITH(w, HOLE); w = 0 }
    after_settling(index);
    atomic { index++; goto bury }
drain:
#endif
    draining = true;  // Protocol::set_phase_if_open()
    wake_everybody();
#endif
    goto end_idle
}
