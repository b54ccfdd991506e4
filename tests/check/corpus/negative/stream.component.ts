// Subscriptions that end: with the component, after one event, or kept together.
import { Component, Injectable, OnDestroy, OnInit } from "@angular/core";
import { takeUntilDestroyed } from "@angular/core/rxjs-interop";
import { Socket } from "ngx-socket-io";
import { Subject, Subscription, first, fromEvent, takeUntil } from "rxjs";

@Component({ selector: "feed" })
export class FeedComponent implements OnInit, OnDestroy {
  private all = new Subscription();
  private list: Subscription[] = [];
  private done = new Subject<void>();
  notices$ = this.socket.fromEvent("notice");

  constructor(private socket: Socket) {
    this.socket.fromEvent("here").pipe(takeUntilDestroyed()).subscribe((h) => this.show(h));
  }

  ngOnInit() {
    this.all.add(this.socket.fromEvent("post").subscribe((p) => this.show(p)));
    this.list.push(this.socket.fromEvent("like").subscribe((l) => this.show(l)));
    this.socket.fromEvent("hello").pipe(first()).subscribe((h) => this.show(h));
    this.socket.fromEvent("bye").pipe(takeUntil(this.done)).subscribe((b) => this.show(b));
    fromEvent(window, "resize").subscribe(() => this.socket.emit("size"));
  }

  ngOnDestroy() {
    this.all.unsubscribe();
    this.list.forEach((one) => one.unsubscribe());
    this.done.next();
  }
}

@Injectable({ providedIn: "root" })
export class FeedService {
  constructor(private socket: Socket) {
    this.socket.fromEvent("post").subscribe((p) => this.keep(p));
  }
}
