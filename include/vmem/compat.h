/* SPDX-License-Identifier: MIT */
/*
 * compat.h - names that other kernels use, for code that was written against them.
 *
 * Opt-in: no other header includes this one, and it gives nothing but the families that are
 * asked for before it is included. All of it is inline functions over vmem/vmem.h, vmem/cache.h,
 * vmem/heap.h and vmem/id.h; nothing of it is in the library.
 *
 *     VMEM_COMPAT_ILLUMOS   vm_*, id_space_* and id_*; with a heap kmem_* and kmem_cache_*
 *     VMEM_COMPAT_BSD       uma_* (FreeBSD), pool_cache_* (NetBSD), pool_* (OpenBSD)
 *     VMEM_COMPAT_KMALLOC   kmalloc, kzalloc, krealloc, kfree, ... (Linux)
 *
 *     VMEM_COMPAT_HEAP      the heap that they use: an expression of type vmem_heap_t *
 *     VMEM_COMPAT_ARENA     the arena that their caches use: of type vmem_t *, memory
 *
 * The last two are looked at in each call, so they may be variables that are set at boot. BSD needs
 * both, KMALLOC the heap, ILLUMOS both or neither. So a header of the kernel's own may be
 *
 *     extern vmem_heap_t *kernel_heap;
 *     extern vmem_t *kernel_memory;
 *     #define VMEM_COMPAT_ILLUMOS
 *     #define VMEM_COMPAT_HEAP kernel_heap
 *     #define VMEM_COMPAT_ARENA kernel_memory
 *     #include <vmem/compat.h>
 *
 * What differs from the originals, in all families:
 *
 *   - KM_SLEEP, VM_SLEEP, M_WAITOK, PR_WAITOK, GFP_KERNEL, id_alloc() and id_allocff() sleep only
 *     with VMEM_CONFIG_SLEEP and a port that can wait (vmem/port.h, level 4): they are VMEM_SLEEP
 *     then. Without, they mean the same as KM_NOSLEEP and so on: a call that never failed there CAN
 *     FAIL HERE. Check for NULL (for -1, with IDs). Constructors are told whether they may sleep.
 *     Import functions are always told not to; and what makes an arena, cache or space, or adds a
 *     span, never sleeps.
 *   - A pointer cannot tell address 0 from failure. Keep 0 out of an arena that is used through
 * vm_*, or call vmem_alloc(), which can.
 *   - Misuse is told to vmem_port_fault(), as always (vmem/port.h).
 *
 * Costs and context are those of the functions beneath.
 */
#ifndef VMEM_COMPAT_H
#define VMEM_COMPAT_H

#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/id.h>
#include <vmem/vmem.h>

#if defined(VMEM_COMPAT_KMALLOC) && !defined(VMEM_COMPAT_HEAP)
#error "VMEM_COMPAT_KMALLOC needs VMEM_COMPAT_HEAP"
#endif
#if defined(VMEM_COMPAT_BSD) && !(defined(VMEM_COMPAT_HEAP) && defined(VMEM_COMPAT_ARENA))
#error "VMEM_COMPAT_BSD needs VMEM_COMPAT_HEAP and VMEM_COMPAT_ARENA"
#endif
#if defined(VMEM_COMPAT_ILLUMOS) && defined(VMEM_COMPAT_HEAP) && !defined(VMEM_COMPAT_ARENA)
#error "VMEM_COMPAT_ILLUMOS with VMEM_COMPAT_HEAP needs VMEM_COMPAT_ARENA, too"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The flags of a request that may sleep, or not; and which of two flags a constructor is told. */

#if VMEM_CONFIG_SLEEP
enum { VMEM_COMPAT_SLEEP = VMEM_SLEEP };
#else
enum { VMEM_COMPAT_SLEEP = 0 };
#endif

static inline unsigned vmem_compat_flags(bool sleeps)
{
    return sleeps ? (unsigned)VMEM_COMPAT_SLEEP : 0;
}

static inline int vmem_compat_either(unsigned flags, int sleeps, int does_not)
{
    return (flags & (unsigned)VMEM_COMPAT_SLEEP) != 0 ? sleeps : does_not;
}

#if defined(VMEM_COMPAT_ILLUMOS) || defined(VMEM_COMPAT_BSD)

/* A cache, or NULL. Every field is set by hand: C++ has no other way. */
static inline vmem_cache_t *vmem_compat_cache(const char *name, size_t size, size_t align,
                                              int (*construct)(void *, void *, unsigned),
                                              void (*destruct)(void *, void *),
                                              void (*reclaim)(void *), void *ctx, vmem_t *arena,
                                              unsigned flags)
{
    struct vmem_cache_params params;
    vmem_cache_t *cache;

    params.name = name;
    params.size = size;
    params.align = align;
    params.construct = construct;
    params.destruct = destruct;
    params.reclaim = reclaim;
    params.ctx = ctx;
    params.arena = arena;
    params.flags = flags;
    return vmem_cache_create(&params, &cache) == 0 ? cache : NULL;
}

#endif

#ifdef VMEM_COMPAT_ILLUMOS

/*
 * illumos: arenas
 *
 * vmem_* is taken, by us; so vmem_create() is vm_create(), vmem_xalloc() is vm_xalloc(), with the
 * arguments in the order that illumos has. They are not there where an address is wider than a
 * pointer (VMEM_CONFIG_ADDR64 on a 32-bit machine).
 *
 * EXAMPLE illumos
 *
 *     struct session {
 *         int users;
 *     };
 *
 *     static int session_construct(void *buf, void *arg, int kmflags)
 *     {
 *         (void)arg, (void)kmflags;
 *         ((struct session *)buf)->users = 0;
 *         return 0;
 *     }
 *
 *     static int illumos_example(void)
 *     {
 *         vmem_t *vectors = vm_create("vector", (void *)32, 224, 1, NULL, NULL, NULL, 0,
 *                                     VM_SLEEP | VMC_IDENTIFIER);
 *         kmem_cache_t *sessions = kmem_cache_create("session", sizeof(struct session), 0,
 *                                                    session_construct, NULL, NULL, NULL, NULL, 0);
 *         struct session *session;
 *         void *msi;
 *
 *         if (vectors == NULL || sessions == NULL)
 *             return -1;
 *         msi = vm_xalloc(vectors, 4, 4, 0, 0, NULL, NULL, VM_SLEEP | VM_FIRSTFIT);
 *         session = (struct session *)kmem_cache_alloc(sessions, KM_SLEEP);
 *         if (msi == NULL || session == NULL)
 *             return -1;
 *         kmem_cache_free(sessions, session);
 *         kmem_cache_destroy(sessions);
 *         vm_xfree(vectors, msi, 4);
 *         vm_destroy(vectors);
 *         return 0;
 *     }
 *
 * END
 */

enum {
    VM_SLEEP = 0x0,
    VM_NOSLEEP = 0x1,
    VM_BESTFIT = 0x100,
    VM_FIRSTFIT = 0x200,
    VM_NEXTFIT = 0x400,
    VM_ENDALLOC = 0x800,     /* the highest address; not heeded together with VM_BESTFIT */
    VMC_IDENTIFIER = 0x40000 /* vm_create: an ordered arena, in which VM_NEXTFIT is O(log n) */
};

#if VMEM_ADDR_MAX <= UINTPTR_MAX

typedef void *vm_alloc_t(vmem_t *source, size_t size, int vmflag);
typedef void vm_free_t(vmem_t *source, void *vaddr, size_t size);

/* An arena's own import functions, as they are kept for it: see vm_create_hooked(). */
struct vm_hooks {
    vm_alloc_t *afunc;
    vm_free_t *ffunc;
    vmem_t *source;
};

static inline unsigned vmem_compat_policy(int vmflag)
{
    if ((vmflag & VM_BESTFIT) != 0)
        return VMEM_BESTFIT;
    if ((vmflag & VM_NEXTFIT) != 0)
        return VMEM_NEXTFIT;
    if ((vmflag & VM_ENDALLOC) != 0)
        return VMEM_LASTFIT;
    return (vmflag & VM_FIRSTFIT) != 0 ? VMEM_FIRSTFIT : VMEM_INSTANTFIT;
}

static inline unsigned vmem_compat_vmflag(int vmflag)
{
    return vmem_compat_policy(vmflag) | vmem_compat_flags((vmflag & VM_NOSLEEP) == 0);
}

static inline void *vm_alloc(vmem_t *vmp, size_t size, int vmflag)
{
    vmem_addr_t addr;

    return vmem_alloc(vmp, size, vmem_compat_vmflag(vmflag), &addr) == 0 ? (void *)addr : NULL;
}

static inline void vm_free(vmem_t *vmp, void *vaddr, size_t size)
{
    vmem_free(vmp, (vmem_addr_t)vaddr, size);
}

/* The segment lies in [minaddr, maxaddr); NULL: no bound. 0 for align, phase, nocross: none. */
static inline void *vm_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
                              void *minaddr, void *maxaddr, int vmflag)
{
    struct vmem_constraints c;
    vmem_addr_t addr;

    c.align = align;
    c.phase = phase;
    c.nocross = nocross;
    c.min = (vmem_addr_t)minaddr;
    c.limit = (vmem_addr_t)maxaddr;
    if (vmem_xalloc(vmp, size, &c, vmem_compat_vmflag(vmflag), &addr) != 0)
        return NULL;
    return (void *)addr;
}

static inline void vm_xfree(vmem_t *vmp, void *vaddr, size_t size)
{
    vmem_xfree(vmp, (vmem_addr_t)vaddr, size);
}

/* vaddr, or NULL. */
static inline void *vm_add(vmem_t *vmp, void *vaddr, size_t size, int vmflag)
{
    (void)vmflag;
    return vmem_add(vmp, (vmem_addr_t)vaddr, size, 0) == 0 ? vaddr : NULL;
}

static inline int vm_contains(vmem_t *vmp, void *vaddr, size_t size)
{
    return vmem_contains(vmp, (vmem_addr_t)vaddr, size);
}

static inline int vmem_compat_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                                     unsigned flags, vmem_addr_t *addrp)
{
    const struct vm_hooks *hooks = (const struct vm_hooks *)ctx;
    void *vaddr = hooks->afunc(hooks->source, size, VM_NOSLEEP);

    (void)c;
    (void)flags;
    *addrp = (vmem_addr_t)vaddr;
    return vaddr != NULL ? 0 : -VMEM_ENOSPC;
}

static inline void vmem_compat_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    const struct vm_hooks *hooks = (const struct vm_hooks *)ctx;

    hooks->ffunc(hooks->source, (void *)addr, size);
}

/*
 * vm_create() for import functions of one's own. There is no memory in which a header could keep
 * them: `hooks` is the caller's, and stays until vm_destroy(). They are not told of constraints;
 * what they return and does not serve is given back to them.
 */
static inline vmem_t *vm_create_hooked(struct vm_hooks *hooks, const char *name, void *base,
                                       size_t size, size_t quantum, vm_alloc_t *afunc,
                                       vm_free_t *ffunc, vmem_t *source, size_t qcache_max,
                                       int vmflag)
{
    struct vmem_params params;
    vmem_t *arena;

    if (hooks == NULL && (afunc != NULL || ffunc != NULL))
        return NULL; /* nowhere to keep them */
    if (hooks != NULL) {
        hooks->afunc = afunc;
        hooks->ffunc = ffunc;
        hooks->source = source;
    }
    params.name = name;
    params.base = (vmem_addr_t)base;
    params.size = size;
    params.quantum = quantum;
    params.qcache_max = qcache_max;
    params.source = source;
    params.import = hooks != NULL ? vmem_compat_import : NULL;
    params.release = hooks != NULL ? vmem_compat_release : NULL;
    params.ctx = hooks;
    params.flags = (vmflag & VMC_IDENTIFIER) != 0 ? VMEM_ARENA_ORDERED : 0;
    return vmem_create(&params, &arena) == 0 ? arena : NULL;
}

/*
 * An arena, or NULL. afunc and ffunc are vm_alloc and vm_free, or NULL: with a source, either takes
 * spans straight from it. Functions of one's own: NULL, always; they need vm_create_hooked().
 */
static inline vmem_t *vm_create(const char *name, void *base, size_t size, size_t quantum,
                                vm_alloc_t *afunc, vm_free_t *ffunc, vmem_t *source,
                                size_t qcache_max, int vmflag)
{
    return vm_create_hooked(NULL, name, base, size, quantum, afunc != vm_alloc ? afunc : NULL,
                            ffunc != vm_free ? ffunc : NULL, source, qcache_max, vmflag);
}

/* Reported, and the arena stays, where something of it is still allocated. */
static inline void vm_destroy(vmem_t *vmp)
{
    (void)vmem_destroy(vmp);
}

#endif

/*
 * illumos: IDs
 *
 * An id_t is an int. A space is [low, high), and hands IDs out in turn.
 */

typedef vmem_id_t id_space_t;

/* A space, or NULL: also where low is negative or not below high. */
static inline id_space_t *id_space_create(const char *name, int low, int high)
{
    struct vmem_id_params params;
    vmem_id_t *space;

    if (low < 0 || high <= low)
        return NULL;
    params.name = name;
    params.min = (vmem_addr_t)low;
    params.max = (vmem_addr_t)high - 1;
    params.wrap = 0;
    params.flags = VMEM_ID_CYCLIC;
    return vmem_id_create(&params, &space) == 0 ? space : NULL;
}

static inline void id_space_destroy(id_space_t *space)
{
    (void)vmem_id_destroy(space);
}

static inline int vmem_compat_id_alloc(id_space_t *space, bool sleeps)
{
    vmem_addr_t id;

    return vmem_id_alloc(space, vmem_compat_flags(sleeps), &id) == 0 ? (int)id : -1;
}

static inline int vmem_compat_id_allocff(id_space_t *space, bool sleeps)
{
    unsigned flags = vmem_compat_flags(sleeps);
    vmem_addr_t id;

    return vmem_id_alloc_in(space, 0, VMEM_ADDR_MAX, flags, &id) == 0 ? (int)id : -1;
}

/* The next ID that is free after the last one, or -1. */
static inline int id_alloc_nosleep(id_space_t *space)
{
    return vmem_compat_id_alloc(space, false);
}

static inline int id_alloc(id_space_t *space)
{
    return vmem_compat_id_alloc(space, true);
}

/* The lowest ID that is free, or -1. */
static inline int id_allocff_nosleep(id_space_t *space)
{
    return vmem_compat_id_allocff(space, false);
}

static inline int id_allocff(id_space_t *space)
{
    return vmem_compat_id_allocff(space, true);
}

/* `id`, or -1 where it is allocated. */
static inline int id_alloc_specific_nosleep(id_space_t *space, int id)
{
    return vmem_id_take(space, (vmem_addr_t)id) == 0 ? id : -1;
}

static inline void id_free(id_space_t *space, int id)
{
    vmem_id_free(space, (vmem_addr_t)id);
}

#ifdef VMEM_COMPAT_HEAP

/*
 * illumos: memory
 */

enum {
    KM_SLEEP = 0x0,
    KM_NOSLEEP = 0x1,
    KMC_NOMAGAZINE = 0x20000 /* kmem_cache_create: the slabs serve alone */
};

static inline unsigned vmem_compat_kmflags(int kmflags)
{
    return vmem_compat_flags((kmflags & KM_NOSLEEP) == 0);
}

/* NULL for a size of 0. */
static inline void *kmem_alloc(size_t size, int kmflags)
{
    return size != 0 ? vmem_heap_alloc(VMEM_COMPAT_HEAP, size, vmem_compat_kmflags(kmflags)) : NULL;
}

static inline void *kmem_zalloc(size_t size, int kmflags)
{
    return size != 0 ? vmem_heap_zalloc(VMEM_COMPAT_HEAP, size, vmem_compat_kmflags(kmflags))
                     : NULL;
}

/* `size` must be that of the allocation. */
static inline void kmem_free(void *buf, size_t size)
{
    if (buf != NULL)
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, buf, size);
}

/* The hooks have other arguments than ours: they are called through this, which lies in the heap.
 */
typedef struct kmem_cache {
    vmem_cache_t *cache;
    int (*constructor)(void *buf, void *arg, int kmflags);
    void (*destructor)(void *buf, void *arg);
    void (*reclaim)(void *arg);
    void *arg;
} kmem_cache_t;

static inline int vmem_compat_kmem_construct(void *object, void *ctx, unsigned flags)
{
    const kmem_cache_t *cp = (const kmem_cache_t *)ctx;
    int kmflags = vmem_compat_either(flags, KM_SLEEP, KM_NOSLEEP);

    if (cp->constructor != NULL && cp->constructor(object, cp->arg, kmflags) != 0)
        return -VMEM_ENOMEM;
    return 0;
}

static inline void vmem_compat_kmem_destruct(void *object, void *ctx)
{
    const kmem_cache_t *cp = (const kmem_cache_t *)ctx;

    if (cp->destructor != NULL)
        cp->destructor(object, cp->arg);
}

static inline void vmem_compat_kmem_reclaim(void *ctx)
{
    const kmem_cache_t *cp = (const kmem_cache_t *)ctx;

    if (cp->reclaim != NULL)
        cp->reclaim(cp->arg);
}

/* A cache, or NULL. `vmp` NULL: VMEM_COMPAT_ARENA. */
static inline kmem_cache_t *kmem_cache_create(const char *name, size_t bufsize, size_t align,
                                              int (*constructor)(void *, void *, int),
                                              void (*destructor)(void *, void *),
                                              void (*reclaim)(void *), void *arg, vmem_t *vmp,
                                              int cflags)
{
    kmem_cache_t *cp = (kmem_cache_t *)vmem_heap_alloc(VMEM_COMPAT_HEAP, sizeof *cp, 0);

    if (cp == NULL)
        return NULL;
    cp->constructor = constructor;
    cp->destructor = destructor;
    cp->reclaim = reclaim;
    cp->arg = arg;
    cp->cache = vmem_compat_cache(name, bufsize, align, vmem_compat_kmem_construct,
                                  vmem_compat_kmem_destruct, vmem_compat_kmem_reclaim, cp,
                                  vmp != NULL ? vmp : VMEM_COMPAT_ARENA,
                                  (cflags & KMC_NOMAGAZINE) != 0 ? VMEM_CACHE_NO_MAGAZINES : 0);
    if (cp->cache == NULL) {
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, cp, sizeof *cp);
        return NULL;
    }
    return cp;
}

/* Reported, and the cache stays, where an object is still out. */
static inline void kmem_cache_destroy(kmem_cache_t *cp)
{
    if (vmem_cache_destroy(cp->cache) == 0)
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, cp, sizeof *cp);
}

static inline void *kmem_cache_alloc(kmem_cache_t *cp, int kmflags)
{
    return vmem_cache_alloc(cp->cache, vmem_compat_kmflags(kmflags));
}

static inline void kmem_cache_free(kmem_cache_t *cp, void *buf)
{
    vmem_cache_free(cp->cache, buf);
}

static inline void kmem_cache_reap_now(kmem_cache_t *cp)
{
    vmem_cache_reap(cp->cache);
}

#endif
#endif

#ifdef VMEM_COMPAT_BSD

/*
 * BSD
 *
 * EXAMPLE bsd
 *
 *     struct vnode {
 *         int references;
 *     };
 *
 *     static int vnode_init(void *mem, int size, int flags)
 *     {
 *         (void)size, (void)flags;
 *         ((struct vnode *)mem)->references = 0;
 *         return 0;
 *     }
 *
 *     static int bsd_example(void)
 *     {
 *         uma_zone_t vnodes = uma_zcreate("vnode", sizeof(struct vnode), NULL, NULL, vnode_init,
 *                                         NULL, UMA_ALIGN_PTR, 0);
 *         pool_cache_t bufs = pool_cache_init(512, 64, 0, 0, "buf", NULL, 0, NULL, NULL, NULL);
 *         struct pool routes;
 *         void *vnode, *buf, *route;
 *
 *         pool_init(&routes, 200, 0, 0, 0, "route", NULL);
 *         if (vnodes == NULL || bufs == NULL)
 *             return -1;
 *         vnode = uma_zalloc(vnodes, M_WAITOK);
 *         buf = pool_cache_get(bufs, PR_WAITOK);
 *         route = pool_get(&routes, PR_WAITOK | PR_ZERO);
 *         if (vnode == NULL || buf == NULL || route == NULL)
 *             return -1;
 *         pool_put(&routes, route);
 *         pool_cache_put(bufs, buf);
 *         uma_zfree(vnodes, vnode);
 *         pool_destroy(&routes);
 *         pool_cache_destroy(bufs);
 *         uma_zdestroy(vnodes);
 *         return 0;
 *     }
 *
 * END
 */

/*
 * FreeBSD: uma(9)
 *
 * init and fini are called once for each time that an item comes from a slab and returns with it,
 * ctor and dtor at each allocation and free.
 */

enum {
    M_NOWAIT = 0x1,
    M_WAITOK = 0x2,
    M_ZERO = 0x100, /* all bytes 0, after the constructor */
    UMA_ZONE_ZINIT = 0x2,
    UMA_ZONE_NOBUCKET = 0x400, /* the slabs serve alone */
    UMA_ALIGN_PTR = sizeof(void *) - 1,
    UMA_ALIGN_LONG = sizeof(long) - 1,
    UMA_ALIGN_INT = sizeof(int) - 1,
    UMA_ALIGN_SHORT = sizeof(short) - 1,
    UMA_ALIGN_CHAR = 0,
    UMA_ALIGN_CACHE = 63
};

typedef int (*uma_ctor)(void *mem, int size, void *arg, int flags);
typedef void (*uma_dtor)(void *mem, int size, void *arg);
typedef int (*uma_init)(void *mem, int size, int flags);
typedef void (*uma_fini)(void *mem, int size);

struct uma_zone {
    vmem_cache_t *cache;
    size_t size;
    uint32_t flags;
    uma_ctor ctor;
    uma_dtor dtor;
    uma_init init;
    uma_fini fini;
};
typedef struct uma_zone *uma_zone_t;

static inline int vmem_compat_uma_construct(void *object, void *ctx, unsigned flags)
{
    const struct uma_zone *zone = (const struct uma_zone *)ctx;
    int waits = vmem_compat_either(flags, M_WAITOK, M_NOWAIT);

    if ((zone->flags & UMA_ZONE_ZINIT) != 0)
        __builtin_memset(object, 0, zone->size);
    if (zone->init != NULL && zone->init(object, (int)zone->size, waits) != 0)
        return -VMEM_ENOMEM;
    return 0;
}

static inline void vmem_compat_uma_destruct(void *object, void *ctx)
{
    const struct uma_zone *zone = (const struct uma_zone *)ctx;

    if (zone->fini != NULL)
        zone->fini(object, (int)zone->size);
}

/* A zone, or NULL: also for a flag that is not above. `align` is a mask, one less than a power of
 * two. */
static inline uma_zone_t uma_zcreate(const char *name, size_t size, uma_ctor ctor, uma_dtor dtor,
                                     uma_init init, uma_fini fini, int align, uint32_t flags)
{
    uma_zone_t zone;

    if (align < 0 || (flags & ~(uint32_t)(UMA_ZONE_ZINIT | UMA_ZONE_NOBUCKET)) != 0)
        return NULL;
    zone = (uma_zone_t)vmem_heap_alloc(VMEM_COMPAT_HEAP, sizeof *zone, 0);
    if (zone == NULL)
        return NULL;
    zone->size = size;
    zone->flags = flags;
    zone->ctor = ctor;
    zone->dtor = dtor;
    zone->init = init;
    zone->fini = fini;
    zone->cache = vmem_compat_cache(name, size, (size_t)align + 1, vmem_compat_uma_construct,
                                    vmem_compat_uma_destruct, NULL, zone, VMEM_COMPAT_ARENA,
                                    (flags & UMA_ZONE_NOBUCKET) != 0 ? VMEM_CACHE_NO_MAGAZINES : 0);
    if (zone->cache == NULL) {
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, zone, sizeof *zone);
        return NULL;
    }
    return zone;
}

/* Reported, and the zone stays, where an item is still out. */
static inline void uma_zdestroy(uma_zone_t zone)
{
    if (vmem_cache_destroy(zone->cache) == 0)
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, zone, sizeof *zone);
}

static inline void *uma_zalloc_arg(uma_zone_t zone, void *arg, int flags)
{
    unsigned wait = vmem_compat_flags((flags & M_WAITOK) != 0);
    int told = (flags & M_ZERO) | vmem_compat_either(wait, M_WAITOK, M_NOWAIT);
    void *item = vmem_cache_alloc(zone->cache, wait);

    if (item == NULL)
        return NULL;
    if (zone->ctor != NULL && zone->ctor(item, (int)zone->size, arg, told) != 0) {
        vmem_cache_free(zone->cache, item);
        return NULL;
    }
    if ((flags & M_ZERO) != 0)
        __builtin_memset(item, 0, zone->size);
    return item;
}

static inline void *uma_zalloc(uma_zone_t zone, int flags)
{
    return uma_zalloc_arg(zone, NULL, flags);
}

static inline void uma_zfree_arg(uma_zone_t zone, void *item, void *arg)
{
    if (item == NULL)
        return;
    if (zone->dtor != NULL)
        zone->dtor(item, (int)zone->size, arg);
    vmem_cache_free(zone->cache, item);
}

static inline void uma_zfree(uma_zone_t zone, void *item)
{
    uma_zfree_arg(zone, item, NULL);
}

/*
 * NetBSD: pool_cache(9)
 *
 * The constructor and destructor are called once for each time that an object comes from a slab and
 * returns with it; their first argument is `arg`.
 */

enum {
    PR_WAITOK = 0x1,
    PR_NOWAIT = 0x2,
    PR_ZERO = 0x8 /* all bytes 0 */
};

struct pool_allocator; /* there is none but NULL */

struct pool_cache {
    vmem_cache_t *cache;
    size_t size;
    int (*ctor)(void *arg, void *object, int flags);
    void (*dtor)(void *arg, void *object);
    void *arg;
};
typedef struct pool_cache *pool_cache_t;

static inline int vmem_compat_pool_construct(void *object, void *ctx, unsigned flags)
{
    const struct pool_cache *pc = (const struct pool_cache *)ctx;
    int told = vmem_compat_either(flags, PR_WAITOK, PR_NOWAIT);

    return pc->ctor != NULL && pc->ctor(pc->arg, object, told) != 0 ? -VMEM_ENOMEM : 0;
}

static inline void vmem_compat_pool_destruct(void *object, void *ctx)
{
    const struct pool_cache *pc = (const struct pool_cache *)ctx;

    if (pc->dtor != NULL)
        pc->dtor(pc->arg, object);
}

/* A cache, or NULL: also where align_offset, flags or palloc are not 0. `ipl` is the port's lock's.
 */
static inline pool_cache_t pool_cache_init(size_t size, unsigned align, unsigned align_offset,
                                           int flags, const char *name,
                                           struct pool_allocator *palloc, int ipl,
                                           int (*ctor)(void *, void *, int),
                                           void (*dtor)(void *, void *), void *arg)
{
    pool_cache_t pc;

    (void)ipl;
    if (align_offset != 0 || flags != 0 || palloc != NULL)
        return NULL;
    pc = (pool_cache_t)vmem_heap_alloc(VMEM_COMPAT_HEAP, sizeof *pc, 0);
    if (pc == NULL)
        return NULL;
    pc->size = size;
    pc->ctor = ctor;
    pc->dtor = dtor;
    pc->arg = arg;
    pc->cache = vmem_compat_cache(name, size, align, vmem_compat_pool_construct,
                                  vmem_compat_pool_destruct, NULL, pc, VMEM_COMPAT_ARENA, 0);
    if (pc->cache == NULL) {
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, pc, sizeof *pc);
        return NULL;
    }
    return pc;
}

/* Reported, and the cache stays, where an object is still out. */
static inline void pool_cache_destroy(pool_cache_t pc)
{
    if (vmem_cache_destroy(pc->cache) == 0)
        vmem_heap_free_sized(VMEM_COMPAT_HEAP, pc, sizeof *pc);
}

static inline void *pool_cache_get(pool_cache_t pc, int flags)
{
    void *object = vmem_cache_alloc(pc->cache, vmem_compat_flags((flags & PR_WAITOK) != 0));

    if (object != NULL && (flags & PR_ZERO) != 0)
        __builtin_memset(object, 0, pc->size);
    return object;
}

static inline void pool_cache_put(pool_cache_t pc, void *object)
{
    vmem_cache_free(pc->cache, object);
}

static inline void pool_cache_invalidate(pool_cache_t pc)
{
    vmem_cache_reap(pc->cache);
}

/*
 * OpenBSD: pool(9)
 *
 * pool_init() cannot say that it failed: `cache` is NULL then, and every pool_get() fails, which is
 * reported. It fails also where flags or palloc are not 0.
 */

struct pool {
    vmem_cache_t *cache;
    size_t size;
};

static inline void pool_init(struct pool *pp, size_t size, unsigned align, int ipl, int flags,
                             const char *wmesg, struct pool_allocator *palloc)
{
    (void)ipl;
    pp->size = size;
    pp->cache = NULL;
    if (flags == 0 && palloc == NULL)
        pp->cache =
            vmem_compat_cache(wmesg, size, align, NULL, NULL, NULL, NULL, VMEM_COMPAT_ARENA, 0);
}

static inline void pool_destroy(struct pool *pp)
{
    if (vmem_cache_destroy(pp->cache) == 0)
        pp->cache = NULL;
}

static inline void *pool_get(struct pool *pp, int flags)
{
    void *item = vmem_cache_alloc(pp->cache, vmem_compat_flags((flags & PR_WAITOK) != 0));

    if (item != NULL && (flags & PR_ZERO) != 0)
        __builtin_memset(item, 0, pp->size);
    return item;
}

static inline void pool_put(struct pool *pp, void *item)
{
    vmem_cache_free(pp->cache, item);
}

#endif

#ifdef VMEM_COMPAT_KMALLOC

/*
 * Linux: memory
 *
 * EXAMPLE kmalloc
 *
 *     static int kmalloc_example(void)
 *     {
 *         char *line = (char *)kmalloc(80, GFP_KERNEL);
 *         char *longer = line != NULL ? (char *)krealloc(line, 4000, GFP_KERNEL) : NULL;
 *         int *table = (int *)kcalloc(100, sizeof(int), GFP_ATOMIC);
 *
 *         kfree(longer != NULL ? longer : line);
 *         kfree(table);
 *         return longer != NULL && table != NULL ? 0 : -1;
 *     }
 *
 * END
 */

typedef unsigned gfp_t;

enum { GFP_KERNEL = 0x1, GFP_ATOMIC = 0x2, GFP_NOWAIT = 0x4, __GFP_ZERO = 0x100 };

static inline unsigned vmem_compat_gfp(gfp_t flags)
{
    return vmem_compat_flags((flags & GFP_KERNEL) != 0);
}

/* A size of 0 is a block like any other. */
static inline void *kmalloc(size_t size, gfp_t flags)
{
    if ((flags & __GFP_ZERO) != 0)
        return vmem_heap_zalloc(VMEM_COMPAT_HEAP, size, vmem_compat_gfp(flags));
    return vmem_heap_alloc(VMEM_COMPAT_HEAP, size, vmem_compat_gfp(flags));
}

static inline void *kzalloc(size_t size, gfp_t flags)
{
    return kmalloc(size, flags | __GFP_ZERO);
}

/* NULL where the product is too large. */
static inline void *kmalloc_array(size_t n, size_t size, gfp_t flags)
{
    size_t bytes;

    return __builtin_mul_overflow(n, size, &bytes) ? NULL : kmalloc(bytes, flags);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t flags)
{
    return kmalloc_array(n, size, flags | __GFP_ZERO);
}

static inline void kfree(const void *block)
{
    vmem_heap_free(VMEM_COMPAT_HEAP, (void *)(uintptr_t)block);
}

/* A size of 0 frees the block and returns NULL. What is added is undefined, __GFP_ZERO or not. */
static inline void *krealloc(const void *block, size_t size, gfp_t flags)
{
    if (block == NULL)
        return kmalloc(size, flags);
    if (size == 0) {
        kfree(block);
        return NULL;
    }
    return vmem_heap_realloc(VMEM_COMPAT_HEAP, (void *)(uintptr_t)block, size,
                             vmem_compat_gfp(flags));
}

static inline size_t ksize(const void *block)
{
    return vmem_heap_usable_size(VMEM_COMPAT_HEAP, block);
}

#endif

#ifdef __cplusplus
}
#endif

#endif
