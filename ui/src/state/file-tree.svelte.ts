import type { TransferFile, TransferFileState } from '../ipc/contract';
import type { Requests } from './requests';

/** Files that are asked for at a time while a tree grows. */
const PAGE = 1000;

export interface TreeNode {
  path: string;
  name: string;
  level: number;
  folder: boolean;
  /** It is not for choosing: a link, something special, or here already. */
  skipped: boolean;
  state: TransferFileState;
  parent: TreeNode | null;
  children: TreeNode[];
  open: boolean;
  /** Only of what has no children. */
  chosen: boolean;
  /** Of itself and all below: files (and folders without any), how many of them are chosen, and bytes. */
  items: number;
  chosenItems: number;
  bytes: number;
  chosenBytes: number;
}

export type Choice = 'all' | 'some' | 'none';

/** A node as it is to be drawn now. */
export interface TreeRow {
  node: TreeNode;
  choice: Choice;
  open: boolean;
  /** Whether there is something to fold away. */
  folds: boolean;
  items: number;
  bytes: number;
}

/**
 * What is offered, as a tree of which parts are chosen. All of it is in memory, a few hundred bytes a file; only `rows`, what
 * is not folded away, is for drawing.
 */
export class FileTree {
  /** Whether everything is known. */
  complete = $state(false);
  failed = $state(false);
  private version = $state(0);
  private readonly root: TreeNode = node('', '', null, true, 0);
  private readonly byPath = new Map<string, TreeNode>([['', this.root]]);
  private stopped = false;
  /** What it counts up to is counted when somebody looks. */
  private counted = true;

  rows = $derived.by(() => {
    this.count();
    const rows: TreeRow[] = [];
    const walk = (children: TreeNode[]) => {
      for (const child of children) {
        const { open, items, bytes } = child;
        rows.push({ node: child, choice: choiceOf(child), open, folds: child.children.length > 0, items, bytes });
        if (child.open) walk(child.children);
      }
    };
    walk(this.root.children);
    return rows;
  });

  sum = $derived.by(() => {
    this.count();
    const { items, chosenItems, bytes, chosenBytes } = this.root;
    return { items, chosenItems, bytes, chosenBytes };
  });

  async load(transfer: string, requests: Requests): Promise<void> {
    let after: string | undefined;
    do {
      const params = { transfer, limit: PAGE, ...(after === undefined ? {} : { after }) };
      const page = await requests.ask({ method: 'transfer-files', params }, 'transfer-files');
      if (this.stopped) return;
      if (!page) {
        this.failed = true;
        return;
      }
      this.add(page.files);
      after = page.next ?? undefined;
    } while (after !== undefined);
    this.complete = true;
  }

  /** Nobody looks any more. */
  stop(): void {
    this.stopped = true;
  }

  add(files: TransferFile[]): void {
    for (const file of files) {
      const made = this.at(file.path, file.folder);
      // What is here stays here; what can be chosen is the rest.
      made.skipped = file.state === 'skipped' || file.state === 'done' || file.state === 'here';
      made.state = file.state;
      if (file.state === 'left-out') made.chosen = false;
      made.bytes = file.folder ? 0 : file.size;
      if (made.skipped) made.chosen = false;
    }
    // Whoever gets one folder wants to see what is in it.
    const [first] = this.root.children;
    if (first && this.root.children.length === 1) first.open = true;
    this.changed();
  }

  fold(node: TreeNode, open: boolean): void {
    node.open = open && node.children.length > 0;
    if (node.open) node.children.sort(byName);
    this.version += 1;
  }

  choose(node: TreeNode, chosen: boolean): void {
    const set = (node: TreeNode) => {
      node.chosen = chosen && !node.skipped;
      node.children.forEach(set);
    };
    set(node);
    this.changed();
  }

  chooseAll(chosen: boolean): void {
    this.choose(this.root, chosen);
  }

  /** Whether all that can be chosen is. */
  get everything(): boolean {
    this.count();
    return this.root.chosenItems === this.root.items;
  }

  /** What is chosen, as few paths as say it. */
  paths(): string[] {
    this.count();
    const paths: string[] = [];
    const walk = (node: TreeNode) => {
      if (node.chosenItems === 0) return;
      if (node.chosenItems === node.items && node !== this.root) paths.push(node.path);
      else node.children.forEach(walk);
    };
    walk(this.root);
    return paths;
  }

  private at(path: string, folder: boolean): TreeNode {
    const known = this.byPath.get(path);
    if (known) return known;
    const slash = path.lastIndexOf('/');
    const parent = this.at(slash < 0 ? '' : path.slice(0, slash), true);
    const made = node(path, path.slice(slash + 1), parent, folder, parent === this.root ? 1 : parent.level + 1);
    parent.children.push(made);
    this.byPath.set(path, made);
    return made;
  }

  private changed(): void {
    this.counted = false;
    this.version += 1;
  }

  private count(): void {
    void this.version;
    if (!this.counted) count(this.root);
    this.counted = true;
  }
}

export function choiceOf({ items, chosenItems }: TreeNode): Choice {
  if (chosenItems === 0) return 'none';
  return chosenItems === items ? 'all' : 'some';
}

function node(path: string, name: string, parent: TreeNode | null, folder: boolean, level: number): TreeNode {
  const counts = { items: 0, chosenItems: 0, bytes: 0, chosenBytes: 0 };
  return { path, name, level, folder, skipped: false, state: 'offered', parent, children: [], open: false, chosen: true, ...counts };
}

function count(node: TreeNode): void {
  if (node.children.length === 0) {
    node.items = node.skipped || node.path === '' ? 0 : 1;
    node.chosenItems = node.chosen ? node.items : 0;
    node.chosenBytes = node.chosen ? node.bytes : 0;
    return;
  }
  node.items = node.chosenItems = node.bytes = node.chosenBytes = 0;
  for (const child of node.children) {
    count(child);
    node.items += child.items;
    node.chosenItems += child.chosenItems;
    node.bytes += child.items > 0 ? child.bytes : 0;
    node.chosenBytes += child.chosenBytes;
  }
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Folders first, as file managers do. */
function byName(a: TreeNode, b: TreeNode): number {
  return Number(b.folder) - Number(a.folder) || collator.compare(a.name, b.name);
}
