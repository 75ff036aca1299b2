"""Pipeline: the work of each command, as a list of stages. Nothing here prints.

The flow of `sync`, the command that the others build on:

    posts ── scan ────────────> references, images of the sources  scan
    references ── resolve ────> the assets they show already       resolve
    images ── plan ───────────> requests; blobs known already      plan
    requests ── FetchJob ─────> bytes                              download, origins
    bytes ── InspectJob ──────> Blob; in the archive and journal   download
    blobs ── adopt ───────────> Manifest with their sources        adopt     pure
    pairs ── CompareJob ──────> Evidence                           lookahead, dedupe
    evidence ── choose ───────> Manifest with `alias_of`           dedupe
    manifest ── settle ───────> Manifest with keys                 store     pure
    what a bucket lacks ── StoreJob ──> objects                    store

The manifest is all that `sync`, `rewrite` and `verify` share. So each of them can run alone.

Read in this order:

- `parts`: the parts of a site, opened once. Only a function that the command line calls takes
  `Parts`; each of its stages takes the parts it uses
- `progress`: the reports of a run, its findings and its summary
- `sync`: the backup, on one page; then its stages `scan`, `resolve`, `plan`, `download`, `adopt`,
  `dedupe`, `store`
- `origins`, `copies`: the bytes of an image, from its source, or from the archive and destinations
- `rewrite`: the posts, pointed at the mirrored images and back. `targets`: the URL to write, or the
  reason to write none; `object_proof`, `source_proof`, `repeat_proof`: the bytes are there, the
  picture came from that address, one picture may take the place of another; `post_edit`,
  `post_diff`: the edit of one post, and its diff
- `verify`: the differences between the manifest and each layer: `verify_destinations`,
  `verify_archive`, `public`, `verify_posts`, `built_site`; `portion`: a part of all pictures
- `hold`, `accept`: pictures that wait for a person. `budget`: the memory of bodies. `post_images`,
  `packed_references`: millions of images in little memory
- `shards`, `answers`, `shard_run`, `collect`, `workers`: one `sync` in parts, or in other processes
- `leftovers`, `site_folder`, `text_files`, `images_left`, `unmatched`, `stray_links`: what still
  names a source, or leads nowhere
- `merge`: the records of two branches
- `scrutiny`: the lines of a change that a person should read before it is merged
- `repair`, `restore`, `prune`: objects put back, images written out, objects that nobody names
- `ownership`: the folders of the user, where no command writes
- `report`, `doctor`: values for a page of totals; checks of the setup
- `init`: the hosts of the posts -> a first `mirror.toml`
"""
