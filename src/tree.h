/* SPDX-License-Identifier: MIT */
/*
 * tree.h - tags by address, with the largest size below each. See tree.c. All with
 * the arena's lock.
 */
#ifndef VMEM_TREE_H
#define VMEM_TREE_H

#include "arena.h"

void vmem_tree_insert(vmem_link_t *root, vmem_link_t link);
void vmem_tree_remove(vmem_link_t *root, vmem_link_t link);

/* Puts `to`, a copy of the node `from`, in its place. */
void vmem_tree_replace(vmem_link_t *root, vmem_link_t from, vmem_link_t to);

/* Tells the tree that the node's size has changed, and its address not past a neighbour's. */
void vmem_tree_resized(vmem_link_t link);

/* The node with the highest address at or below addr; 0: none. */
vmem_link_t vmem_tree_floor(vmem_link_t root, vmem_addr_t addr);

/* The node with the lowest address at or above addr; 0: none. */
vmem_link_t vmem_tree_ceiling(vmem_link_t root, vmem_addr_t addr);

vmem_size_t vmem_tree_largest(vmem_link_t root);

bool vmem_tree_search(const vmem_t *arena, const struct vmem_request *request,
                      struct vmem_place *place);

/* How many nodes there are; SIZE_MAX: order, balance, a maximum or a link is wrong. */
size_t vmem_tree_recount(vmem_link_t root, size_t limit);

#endif
