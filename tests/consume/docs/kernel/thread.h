/* SPDX-License-Identifier: MIT */
struct thread;
struct thread *current_thread(void);
