/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deliberate faults, to prove that the conformance tests see them: `make
 * conformance-mutate`.  Only a build with -Dmutations=true has them, and there one at most
 * is at work (-mutate NAME); otherwise MUTANT() is a constant 0.
 *
 * New one: a line here, and MUTANT(name) at the code that it breaks.
 */
#ifndef ACCEL_HVTLFS_MUTANT_H
#define ACCEL_HVTLFS_MUTANT_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, what is wrong) */
#define MUTANTS(X) \
	X(leaf_last_too_low, "leaf 0x40000000 announces one leaf less than 'Hv#1' has") \
	X(leaf_vendor_order, "leaf 0x40000000 has the vendor in the order EBX, EDX, ECX") \
	X(leaf_interface, "leaf 0x40000001 tells another interface") \
	X(leaf_version_branch, "leaf 0x40000002 leaves the service branch out") \
	X(leaf_privileges_high, "leaf 0x40000003 EBX tells a privilege that is missing") \
	X(leaf_index_untold, "leaf 0x40000003 EAX does not tell of the VP index") \
	X(leaf_retries, "leaf 0x40000004 EBX is 0") \
	X(leaf_beyond, "extended leaves that there are not answer as on Intel's processors") \
	X(leaf_unknown, "leaves that have nothing answer their number") \
	X(child_hypervisor_hidden, "a child is not told that there is a hypervisor") \
	X(child_apic_id_fixed, "the initial APIC id of a VP cannot be changed") \
	X(child_topology, "a child has one processor in a package, whatever its parent sets") \
	X(channel_outlives, "a partition that is finalized keeps its debug channel") \
	X(tlb_pages_free, "pages for virtual TLBs that the pool has not are promised") \
	X(proximity_required, "a domain that is required may be any") \
	X(intercept_calls_untold, "hypercalls that the hypervisor has no answer for are not told") \
	X(debugger_unknown, "debug calls are unknown instead of unavailable") \
	X(ferr_ignored, "an x87 error without CR0.NE is not told") \
	X(ferr_never_ignored, "IGNNE# is never asserted") \
	X(child_msrs, "a child has the MSRs of a machine") \
	X(call_code_as_input, "an unknown call code is invalid input") \
	X(call_reserved_bits, "reserved bits of the input value are ignored") \
	X(call_simple_reps, "a rep count on a simple call is ignored") \
	X(call_simple_start, "a rep start index on a simple call is ignored") \
	X(call_privilege, "privileges of calls are not checked") \
	X(call_privilege_late, "privileges are checked after the input value") \
	X(call_alignment, "lists may begin anywhere") \
	X(call_outside, "lists outside of the GPA space are device memory") \
	X(call_unused_list, "registers of lists that the call has not are checked") \
	X(call_result_reps, "a refused call reports an element") \
	X(call_register_lost, "the second parameter register is cleared") \
	X(call_xmm_order, "XMM registers of a fast call are taken from the last one on") \
	X(call_output_late, "an output page that cannot be written to is found out when the call is done") \
	X(call_failure_ignored, "a rep call goes on behind an element that failed") \
	X(call_failed_counts, "an element that failed counts as complete") \
	X(call_reps_relative, "reps complete counts from the start index") \
	X(call_keeps_vp, "a rep call does not give way") \
	X(call_keeps_shadow, "a call behind STI gives way to no interrupt") \
	X(call_again_skips, "a rep call that gave way leaves an element out") \
	X(call_again_register, "a rep call that gives way changes a register") \
	X(call_output_whole, "each execution of a rep call writes the whole output list") \
	X(register_no_shadow, "an interrupt shadow cannot be given to a VP") \
	X(call_for_any, "a parent's call is taken from any partition") \
	X(call_any_state, "a call for active partitions is taken in any state") \
	X(call_ring_3, "hypercalls work in ring 3") \
	X(call_real_mode, "hypercalls work in real mode") \
	X(call_page_disabled, "hypercalls work without the hypercall page") \
	X(call_upper_halves, "a 32-bit caller's registers are taken whole") \
	X(call_32_upper, "a 32-bit caller's parameters have 32 bits") \
	X(page_without_os_id, "the hypercall page can be enabled with guest OS id 0") \
	X(page_outlives_os_id, "guest OS id 0 leaves the hypercall page") \
	X(page_outside, "a hypercall page beyond the GPA space is taken") \
	X(page_writable, "the guest can write to the hypercall page") \
	X(page_empty, "the hypercall page has no code") \
	X(page_stays, "an overlay that is disabled stays where it is") \
	X(os_id_low, "the guest OS id keeps 32 bits") \
	X(msr_index, "the VP index is 0 on each VP") \
	X(msr_privilege, "privileges of MSRs are not checked") \
	X(msr_unknown_zero, "an unknown synthetic MSR reads as 0") \
	X(msr_read_only, "a write to a read-only MSR is ignored") \
	X(msr_reference_tsc_bits, "bits 11:1 of the reference TSC MSR are dropped") \
	X(assist_stays, "'no EOI required' stays when a lower interrupt is requested") \
	X(flush_nothing, "flushes of address spaces do nothing") \
	X(flush_own_only, "flushes are of the caller only") \
	X(flush_one_page, "an element of a list is one page") \
	X(apic_id_fixed, "writes to the APIC's ID register are ignored") \
	X(apic_lowest_all, "lowest priority goes to all that match") \
	X(assert_no_withdrawal, "a level-triggered interrupt stays when its parent takes it back") \
	X(ext_int_again, "an ExtInt can be asserted before the last one has been cleared") \
	X(ext_int_clears_any, "HvClearVirtualInterrupt succeeds whether or not there was an interrupt") \
	X(flush_any_flags, "flush hypercalls take flags that there are not") \
	X(map_any_flags, "map calls take any flags") \
	X(map_pooled, "a page in a pool can be mapped") \
	X(map_from_start, "the elements of HvMapGpaPages go to the same page") \
	X(map_no_flush, "map calls flush no TLB") \
	X(translate_marks_nothing, "HvTranslateVirtualAddress never sets bits of page tables") \
	X(register_page_deaf, "changes in the register page are not taken") \
	X(state_page_lost, "a state page that is unmapped stays in use") \
	X(access_in_bytes, "HvReadGpa and HvWriteGpa move single bytes") \
	X(access_any_rights, "HvReadGpa and HvWriteGpa do not look at rights") \
	X(pool_page_is_device, "a page that has gone into a pool is device memory to who gave it") \
	X(rights_outlive_reset, "rights that a partition has taken from itself do not come back with a reset") \
	X(deposit_shared, "a page that another partition can reach can be deposited") \
	X(port_number_taken, "a number of a port or connection that is in use is given away again") \
	X(port_flag_range, "an event port may go to flags beyond the last") \
	X(port_keeps_charge, "a port that is deleted goes on being charged") \
	X(connection_of_any, "any partition connects to a port") \
	X(port_any_id, "port numbers have 32 bits") \
	X(port_many_connections, "a port takes any number of connections") \
	X(port_keeps_messages, "messages of a deleted port arrive") \
	X(port_preference, "the preferred VP of a port is ignored") \
	X(port_first_vp, "a port for any VP fails if the first cannot take it") \
	X(connection_any_id, "connection numbers have 32 bits") \
	X(connection_any_type, "a connection need not be of its port's type") \
	X(monitor_group_disabled, "triggers of a disabled group signal") \
	X(monitor_blind, "nobody looks at monitor pages") \
	X(monitor_silent, "the monitor page does not tell that nobody looks") \
	X(monitor_two_pages, "receiver and sender see two monitor pages") \
	X(monitor_trigger_0, "trigger 0 of a group is dropped") \
	X(monitor_outlives, "the sender sees a monitor page whose port is gone") \
	X(monitor_of_receiver, "triggers of a monitor page signal on behalf of its receiver") \
	X(monitor_no_limit, "a partition has any number of monitor pages") \
	X(stats_monitored, "monitored notifications are not counted") \
	X(direct_overwrites, "HvPostMessageDirect does not look whether the slot is empty") \
	X(direct_always_new, "HvSignalEventDirect says of each flag that it was clear") \
	X(doorbell_no_probe, "an instruction that looks before it stores rings no doorbell") \
	X(post_any_type, "a guest can post the hypervisor's message types") \
	X(post_no_sender, "messages do not tell their port") \
	X(post_count_all, "posts that fail are counted, too") \
	X(signal_any_flag, "an event port takes flags that are not its own") \
	X(port_15_buffers, "a port has 15 buffers") \
	X(message_type_byte, "a slot is empty if the first byte of its type is 0") \
	X(message_whole, "all of a slot is written") \
	X(message_pending_late, "a message that is delivered does not tell of those behind") \
	X(message_pending_never, "a message in its slot is not told of those behind") \
	X(message_keeps_buffer, "a message that was delivered keeps its buffer") \
	X(message_silent, "a message raises no interrupt") \
	X(message_overwrites, "a message overwrites the one in its slot") \
	X(message_no_retry, "a message whose slot was busy waits for the guest") \
	X(message_waits_for_eom, "a message is delivered by EOM only") \
	X(event_again, "a flag that was set already interrupts again") \
	X(event_next_flag, "the flag behind is set") \
	X(event_masked, "flags of masked SINTs are set") \
	X(eom_does_nothing, "EOM does nothing") \
	X(eoi_does_nothing, "an EOI does not look at the queues") \
	X(queue_survives_reset, "what is queued survives a reset") \
	X(synic_always_on, "SCONTROL.Enable is ignored") \
	X(synic_page_always_on, "the Enable bits of SIMP and SIEFP are ignored") \
	X(sint_mask_ignored, "masked SINTs interrupt") \
	X(sint_no_auto_eoi, "AutoEOI is ignored") \
	X(sint_any_vector, "a SINT that is not masked takes a vector below 16") \
	X(sint_masked_anyway, "a SINT loses its mask bit") \
	X(synic_version, "SVERSION is 2") \
	X(timer_count_waits, "a count does not enable a timer with AutoEnable") \
	X(timer_count_zero, "count 0 leaves a timer enabled") \
	X(timer_no_sint, "a timer without a SINT stays enabled") \
	X(timer_early, "timers expire a millisecond early") \
	X(timer_stays, "a one-shot timer that has expired stays enabled") \
	X(timer_once, "a periodic timer expires once") \
	X(reference_hour, "the reference counter begins with an hour") \
	X(reference_same, "two reads of the reference counter may give the same value") \
	X(reference_slow, "reference time counts 9.9 MHz") \
	X(reference_goes_on, "a stopped partition's time goes on") \
	X(tsc_page_sequence, "the reference TSC page keeps its sequence") \
	X(tsc_page_unusable, "the reference TSC page has sequence 0xffffffff") \
	X(tsc_page_offset, "the reference TSC page is an hour ahead") \
	X(tsc_variant, "no guest is told that its TSC is invariant") \
	X(timer_outlives_reset, "a reset leaves the timers") \
	X(timer_creeps, "a period begins when the last one was signalled") \
	X(timer_no_catch_up, "missed periods do not shorten the next ones") \
	X(timer_no_drop, "any number of missed periods is made up for") \
	X(timer_lazy_hurries, "a lazy timer makes up for missed periods") \
	X(timer_lazy_always, "a lazy timer signals however near the next expiration is") \
	X(timer_period_absolute, "a periodic timer's first expiration is at its count") \
	X(timer_wraps, "a count that is too large wraps around") \
	X(timer_drops_others, "a timer that expires stops those that are due with it") \
	X(timer_keeps_sint, "bits of a timer's SINT that were set stay set") \
	X(assist_stays_enabled, "a timer assist with period 0 stays enabled") \
	X(message_expiration, "a timer's message has the time of its delivery as that of its expiration") \
	X(child_features_kept, "processor features that are disabled stay") \
	X(child_privileges, "a new child may create partitions") \
	X(property_any_time, "a property can be set in any state that its call allows") \
	X(property_any_privilege, "any bit of a privilege mask can be set") \
	X(eoi_lost, "of many ends of interrupts that a parent has not been told of yet, one is forgotten") \
	X(child_has_more, "a partition may give its children privileges that it does not have") \
	X(property_gives_itself, "a partition may give itself any privilege") \
	X(notify_never, "a parent is never told that its child could take an interrupt") \
	X(notify_stays, "what a parent has been told that its child can take stays in the register") \
	X(notify_queued, "a SINT whose slot is taken is told to be free") \
	X(apic_sends_anyway, "an APIC sends what its parent is told of") \
	X(intercept_msr_reads, "an intercept of an MSR for writes is one for reads") \
	X(state_page_anywhere, "a state page is not where its parent says") \
	X(vp_state_timer_anew, "an APIC's timer whose state is set begins anew") \
	X(register_not_optional, "a register that the child has not does not take 0") \
	X(vp_state_kept, "the state of a VP that its parent sets is not taken") \
	X(stats_call_class, "all hypercalls are counted as of no class") \
	X(stats_message_class, "all intercept messages are counted as of no class") \
	X(stats_partitions, "one partition less is counted") \
	X(stats_no_cost, "what exits cost is not counted") \
	X(stats_stand, "statistics pages stay as they are mapped") \
	X(stats_outlive, "the statistics page of a VP that is deleted stays mapped") \
	X(stats_reserved, "reserved bytes of an object's identity are not looked at") \
	X(stats_global_to_all, "global statistics are for everybody") \
	X(stats_mapped_twice, "an object may be mapped several times") \
	X(stats_writable, "statistics pages can be written to") \
	X(stats_msr_bits, "bits 11:1 of the MSRs of statistics pages are dropped") \
	X(reserve_above_cap, "a reserve may be above the cap") \
	X(reserve_any_sum, "there may be more reserves than processors") \
	X(cap_ignored, "a cap is no limit") \
	X(finalize_with_children, "a partition that has children can be finalized") \
	X(delete_with_pages, "a partition with pages in its pool can be deleted") \
	X(children_youngest_first, "children are enumerated youngest first") \
	X(create_any_flag, "a partition may be created with any flag") \
	X(withdrawn_as_it_was, "a page that is withdrawn has its old content") \
	X(intercept_first_port, "an access of several ports is intercepted at the first only") \
	X(flush_not_held_back, "a flush is not held back by a VP that inhibits it") \
	X(flush_not_inhibited, "an intercept of memory does not inhibit flushes") \
	X(pm_timer_ins, "INS is assisted as IN is") \
	X(pm_timer_wide, "a PM timer of 24 bits has 32") \
	X(intercept_cache_type, "an intercept of memory has always the cache type write-back") \
	X(intercept_twice, "an intercept sends two messages") \
	X(intercept_runs_on, "an intercept does not suspend the VP") \
	X(intercept_behind, "an intercept leaves RIP behind the instruction") \
	X(intercept_sender, "an intercept's message has the parent as its sender") \
	X(intercept_sint, "an intercept's message goes to SINT1") \
	X(intercept_lost, "a message that no VP of the parent can take is lost") \
	X(intercept_keeps_first, "an intercept whose last message waits sends none") \
	X(intercept_outlives, "a message that waits arrives although its child has ended") \
	X(intercept_unmapped, "memory that is not there is told as memory that may not be touched") \
	X(intercept_fetch, "a fetch is told as a read") \
	X(intercept_table_gva, "an access to a page table has a virtual address") \
	X(intercept_half_done, "a store across pages is told when its first half is done") \
	X(intercept_in_bytes, "IN and OUT are told with the code's bytes") \
	X(intercept_no_rep, "a REP prefix is not told") \
	X(intercept_cpuid_order, "the default results of CPUID are in the order of its registers") \
	X(intercept_msr_first, "an MSR that is virtualized is told") \
	X(intercept_length, "the length of an instruction is not told") \
	X(intercept_state, "the execution state has no CR0.PE") \
	X(intercept_vp, "the VP of a message is always 0") \
	X(intercept_exceptions, "an intercept of an exception is of all") \
	X(intercept_subleaf, "an intercept of a leaf is of its subleaf 0 only") \
	X(intercept_any_access, "an intercept can be installed for any access") \
	X(intercept_any_parameter, "an intercept's parameter is cut") \
	X(intercept_no_remove, "an intercept cannot be removed") \
	X(tsc_not_concealed, "hv-invtsc=on conceals nothing") \
	X(root_vp_anywhere, "a VP of the root can be made on any logical processor") \
	X(root_many_lps, "a logical processor of any index is known") \
	X(root_own_parent, "the root may do to itself what a parent may") \
	X(root_manages_nothing, "the root does not tell that it manages processors") \
	X(power_any_config, "how a power state is entered may be anything") \
	X(power_awake, "no power state is entered") \
	X(power_sleeps_on, "a masked interrupt ends no power state") \
	X(power_no_port, "a power state that is entered by a port is entered without") \
	X(lp_no_hypervisor, "the hypervisor takes no time") \
	X(lp_goes_on, "the run time of a logical processor goes on behind a reset") \
	X(park_adds, "processors that were parked stay so") \
	X(launch_anyway, "a root is launched on any processor") \
	X(launch_wide, "a root is launched with addresses of more than 48 bits") \
	X(system_property_any, "a system property takes any value") \
	X(system_property_half, "half of a system property is kept") \
	X(dispatch_not_needed, "a VP that its root schedules runs without being dispatched") \
	X(dispatch_no_signal, "that a VP can run again is not signalled") \
	X(dispatch_keeps_suspend, "a dispatch does not clear an intercept suspend") \
	X(dispatch_no_scan, "vectors in the register page are not injected") \
	X(dispatch_deaf, "an interrupt of the caller does not end a dispatch") \
	X(dispatch_counts_all, "a signal that has not arrived yet is sent again") \
	X(dispatch_tells_twice, "an intercept that ends a dispatch is a message as well") \
	X(page_no_home, "a root finds nothing where its pages are until they are enabled") \
	X(message_number, "the message of a timer has another timer's number")

enum mutant {
	MUTANT_none,
#define X(name, what) MUTANT_##name,
	MUTANTS(X)
#undef X
};

#ifdef MUTATIONS
/* Set once, before the machine is made. */
extern enum mutant mutant_at_work;
#define MUTANT(name) (mutant_at_work == MUTANT_##name)
/* False: there is none of this name. */
bool mutant_choose(const char *name);
/* The @n-th, "name  what is wrong"; NULL behind the last. */
const char *mutant_line(size_t n);
#else
#define MUTANT(name) (0 && MUTANT_##name)
#endif

#endif
